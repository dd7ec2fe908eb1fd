import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** One line per check, work in many threads at once, deadlines. */
final class Checks {
  static final int PATIENCE_SECONDS = 20; // longer than anything here takes; only a failure waits for so long

  /** A check passes when it returns; a string that it returns is printed as a note. */
  interface Check {
    String run() throws Exception;
  }

  interface Work<T> {
    String run(int index, T item) throws Exception;
  }

  interface Question {
    boolean ask() throws Exception;
  }

  private boolean failed = false;

  boolean failed() {
    return failed;
  }

  void check(String name, Check check) {
    try {
      String note = check.run();
      System.out.println(name + ": ok");
      if (note != null) {
        System.out.println("note: " + name + ": " + note);
      }
    } catch (Exception | AssertionError error) {
      failed = true;
      System.out.println(name + ": FAILED: line " + lineOf(error) + ": " + String.valueOf(error).replaceAll("\\s+", " "));
    }
  }

  /** The innermost line of the programme that the error came through. */
  private static int lineOf(Throwable error) {
    for (StackTraceElement frame : error.getStackTrace()) {
      if ("Programme.java".equals(frame.getFileName())) {
        return frame.getLineNumber();
      }
    }
    return 0;
  }

  static void equal(Object actual, Object expected, String what) {
    if (!Objects.equals(actual, expected)) {
      throw new AssertionError(what + ": " + actual + " instead of " + expected);
    }
  }

  /** Runs the work for each item in a thread of its own; throws the first error after all have ended. */
  static <T> List<String> forEach(List<T> items, Work<T> work) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(items.size());
    try {
      List<Future<String>> futures = new ArrayList<>();
      for (int index = 0; index < items.size(); ++index) {
        int number = index;
        futures.add(threads.submit(() -> work.run(number, items.get(number))));
      }
      return results(futures);
    } finally {
      threads.shutdown();
    }
  }

  private static List<String> results(List<Future<String>> futures) throws Exception {
    List<String> found = new ArrayList<>();
    Throwable error = null;
    for (Future<String> future : futures) {
      try {
        found.add(future.get());
      } catch (ExecutionException wrapped) {
        error = error == null ? wrapped.getCause() : error;
      }
    }
    if (error instanceof Exception) {
      throw(Exception) error;
    }
    if (error instanceof Error) {
      throw(Error) error;
    }
    return found;
  }

  /** Asks again and again: the question is itself a round trip to the server. */
  static void waitUntil(Question question, String what) throws Exception {
    long deadline = System.nanoTime() + PATIENCE_SECONDS * 1_000_000_000L;
    while (!question.ask()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError(what + " did not happen");
      }
    }
  }
}
