import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/**
 * What a data set was asked, one JSON object on a line each: {@code method}, {@code target} (path below the service's root and query, as they were
 * sent), {@code status}, {@code headers} (those that change an answer's meaning) and {@code body}. Knows no OData and no servlet.
 */
final class RequestLog {
  private static final String[] HEADERS = {
    "Accept", "Content-Type", "If-Match", "If-None-Match", "Prefer", "OData-Version", "OData-MaxVersion", "DataServiceVersion",
    "MaxDataServiceVersion", "X-CSRF-Token", "X-HTTP-Method"
  };

  /** The beginning and the end of each line; between them stands the status, which is 0 until there is an answer. */
  private final List<String[]> lines = new ArrayList<>();

  /** Remembers a request before it is answered, so that whoever has the answer finds it. Gives what {@link #answered} wants. */
  String[] add(final String method, final String target, final UnaryOperator<String> header, final byte[] body) {
    final StringBuilder line = new StringBuilder(",\"method\":");
    quote(line, method);
    line.append(",\"target\":");
    quote(line, target);
    line.append(",\"headers\":{");
    String comma = "";
    for (final String name : HEADERS) {
      final String value = header.apply(name);
      if (value != null) {
        line.append(comma);
        quote(line, name);
        line.append(':');
        quote(line, value);
        comma = ",";
      }
    }
    line.append("},\"body\":");
    quote(line, new String(body, StandardCharsets.UTF_8));
    line.append('}');
    final String[] added = {"{\"status\":", "0", line.toString()};
    synchronized (lines) {
      lines.add(added);
    }
    return added;
  }

  void answered(final String[] added, final int status) {
    synchronized (lines) {
      added[1] = Integer.toString(status);
    }
  }

  /** GET lists, DELETE forgets. */
  void serve(final String method, final Consumer<String> contentType, final OutputStream out) throws IOException {
    contentType.accept("application/x-ndjson;charset=utf-8");
    synchronized (lines) {
      if (method.equals("DELETE")) {
        lines.clear();
      }
      for (final String[] line : lines) {
        out.write((String.join("", line) + "\n").getBytes(StandardCharsets.UTF_8));
      }
    }
  }

  private static void quote(final StringBuilder out, final String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      final char c = text.charAt(i);
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (c < ' ') {
        out.append(String.format("\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    out.append('"');
  }
}
