import java.util.List;

/**
 * Apache Olingo's OData client, run against a gateway: its arguments are the service's root (ending with a slash) and an API key.
 *
 * <p>Each check asks through the client's own factories and compares with what is known of the rows: the fixture of the end-to-end
 * tests, and {@code tests/clients/kinds.sql}. It prints a line per check and ends with the status 1 when one has failed.
 */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        if (arguments.length != 2) {
            System.err.println("usage: Main SERVICE-ROOT API-KEY");
            System.exit(2);
        }
        Service service = new Service(arguments[0], arguments[1]);
        List<Check> checks = new java.util.ArrayList<>();
        checks.addAll(Documents.checks(service));
        checks.addAll(Reads.checks(service));
        checks.addAll(Writes.checks(service));
        checks.addAll(Batches.checks(service));
        int failed = 0;
        for (Check check : checks) {
            try {
                check.body.run();
                System.out.println("ok      " + check.name);
            } catch (Exception | AssertionError failure) {
                failed++;
                System.out.println("FAILED  " + check.name + ": " + failure);
                for (Throwable cause = failure.getCause(); cause != null; cause = cause.getCause()) {
                    System.out.println("        because of " + cause);
                }
                StackTraceElement[] trace = failure.getStackTrace();
                for (int i = 0; i < Math.min(trace.length, 12); i++) {
                    System.out.println("        at " + trace[i]);
                }
            }
        }
        System.out.println((checks.size() - failed) + " checks held, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }
}
