# pgjdbc from Debian, prepareThreshold=1: each PreparedStatement is a named statement from its first run.
# shellcheck shell=bash disable=SC2034,SC2154  # run reads and sets the variables
prepare() {
  is_newer_than "$cache/pgjdbc/Programme.class" "$root"/tests/drivers/pgjdbc/*.java /usr/share/java/postgresql.jar && return
  javac -Xlint:all -Werror -cp /usr/share/java/postgresql.jar -d "$cache/pgjdbc" "$root"/tests/drivers/pgjdbc/*.java
}
command=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "/usr/share/java/postgresql.jar:$cache/pgjdbc" Programme)
