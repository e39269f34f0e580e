import java.util.Objects;

/** A named check, and how checks say what is wrong. */
final class Check {
    final String name;
    final Body body;

    interface Body {
        void run() throws Exception;
    }

    Check(String name, Body body) {
        this.name = name;
        this.body = body;
    }

    static void same(String what, Object expected, Object found) {
        if (!Objects.equals(expected, found)) {
            throw new AssertionError(what + ": expected <" + expected + ">, found <" + found + ">");
        }
    }

    static void holds(String what, boolean condition) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }
}
