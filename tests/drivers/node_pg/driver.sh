# node-pg from Debian; a query with a name is a named statement for the life of its connection.
#
# Its files are unpacked beside the build, not installed: Debian's packages refuse to stand beside a Node.js from elsewhere.
# shellcheck shell=bash disable=SC2034,SC2154  # run reads and sets the variables
prepare() {
  [[ ! -d $cache/node_pg/usr/share/nodejs/pg ]] || return 0
  local package packages=$cache/node_pg.packages
  rm -rf "$packages"
  mkdir -p "$packages"
  (cd "$packages" && apt-get -o APT::Sandbox::User=root download node-pg node-split2 node-xtend)
  for package in "$packages"/*.deb; do dpkg-deb -x "$package" "$cache/node_pg"; done
  rm -rf "$packages"
}
command=(env "NODE_PATH=$cache/node_pg/usr/share/nodejs" node "$root/tests/drivers/node_pg/programme.js")
