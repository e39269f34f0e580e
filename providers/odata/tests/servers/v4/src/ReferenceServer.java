import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpSession;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.stream.Stream;
import org.apache.catalina.Context;
import org.apache.catalina.Wrapper;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.olingo.server.tecsvc.TechnicalServlet;
import org.apache.tomcat.util.buf.EncodedSolidusHandling;
import org.apache.tomcat.util.descriptor.web.FilterDef;
import org.apache.tomcat.util.descriptor.web.FilterMap;

/**
 * The technical reference service of Apache Olingo, unchanged, on 127.0.0.1 and a free port; README.md beside it says what it serves.
 *
 * <p>The service keeps its rows in the HTTP session. A client without cookies would see fresh rows in every request and none of its writes, so here
 * the first segment of the path names the session: {@code /NAME/odata.svc/} is a data set of its own, fresh when it is first asked for. {@code
 * /NAME/requests} lists what its service was asked.
 *
 * <p>Prints one line, {@code http://127.0.0.1:PORT/}, when it is up, and ends when its standard input does.
 */
public final class ReferenceServer {
  private static final String ROOT = "/odata.svc";

  private ReferenceServer() {}

  public static void main(final String[] arguments) throws Exception {
    final File folder = Files.createTempDirectory("odata-v4").toFile();
    final Tomcat tomcat = new Tomcat();
    tomcat.setBaseDir(folder.getPath());
    final Connector connector = new Connector();
    connector.setProperty("address", "127.0.0.1");
    connector.setPort(0);
    // A key value may hold a slash.
    connector.setEncodedSolidusHandling(EncodedSolidusHandling.PASS_THROUGH.getValue());
    tomcat.setConnector(connector);
    final Context context = tomcat.addContext("", folder.getPath());
    // Sessions are named by the path, not by cookies.
    context.setCookies(false);
    final Wrapper service = Tomcat.addServlet(context, "service", new TechnicalServlet());
    service.addMapping("/*");
    final FilterDef filter = new FilterDef();
    filter.setFilterName("data sets");
    filter.setFilter(new DataSets());
    context.addFilterDef(filter);
    final FilterMap everything = new FilterMap();
    everything.setFilterName("data sets");
    everything.addURLPattern("/*");
    everything.setDispatcher(DispatcherType.REQUEST.name());
    context.addFilterMap(everything);
    tomcat.start();
    System.out.println("http://127.0.0.1:" + connector.getLocalPort() + "/");
    System.out.flush();
    while (System.in.read() >= 0) {
      // Until the one who started this closes it.
    }
    try (Stream<Path> files = Files.walk(folder.toPath())) {
      files.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
    }
    // Nothing is worth keeping, and an orderly end tells at length what it could not clear.
    Runtime.getRuntime().halt(0);
  }

  /** What one name stands for: its rows, what was asked, and the lock that the rows need, because the service expects one client per session. */
  private static final class DataSet {
    final ReadWriteLock lock = new ReentrantReadWriteLock();
    final RequestLog requests = new RequestLog();
    HttpSession rows;

    synchronized HttpSession rows(final HttpServletRequest request) {
      if (rows == null) {
        rows = request.getSession(true);
        rows.setMaxInactiveInterval(-1);
      }
      return rows;
    }
  }

  /** Gives every request the session that its path names. */
  private static final class DataSets implements Filter {
    private final Map<String, DataSet> named = new ConcurrentHashMap<>();

    @Override
    public void doFilter(final ServletRequest plain, final ServletResponse plainResponse, final FilterChain next)
        throws IOException, ServletException {
      final HttpServletRequest request = (HttpServletRequest) plain;
      final HttpServletResponse response = (HttpServletResponse) plainResponse;
      final String path = request.getRequestURI();
      final int end = path.indexOf('/', 1);
      if (end < 0) {
        response.sendError(HttpServletResponse.SC_NOT_FOUND, "a path is /NAME" + ROOT + "/...");
        return;
      }
      final String name = path.substring(0, end);
      final String rest = path.substring(end);
      final DataSet set = named.computeIfAbsent(name, unused -> new DataSet());
      if (rest.equals("/requests")) {
        set.requests.serve(request.getMethod(), response::setContentType, response.getOutputStream());
      } else if (rest.equals(ROOT) || rest.startsWith(ROOT + "/")) {
        serve(set, new InDataSet(request, name, set), response, next);
      } else {
        response.sendError(HttpServletResponse.SC_NOT_FOUND, "a path is /NAME" + ROOT + "/...");
      }
    }

    private static void serve(final DataSet set, final InDataSet request, final HttpServletResponse response, final FilterChain next)
        throws IOException, ServletException {
      final boolean reads = request.getMethod().equals("GET") || request.getMethod().equals("HEAD");
      final Lock lock = reads ? set.lock.readLock() : set.lock.writeLock();
      final String[] asked = set.requests.add(request.getMethod(), request.target(), request::getHeader, request.body);
      lock.lock();
      try {
        next.doFilter(request, response);
      } finally {
        lock.unlock();
        set.requests.answered(asked, response.getStatus());
      }
    }
  }

  private static final class InDataSet extends HttpServletRequestWrapper {
    private final String name;
    private final DataSet set;
    final byte[] body;

    InDataSet(final HttpServletRequest request, final String name, final DataSet set) throws IOException {
      super(request);
      this.name = name;
      this.set = set;
      body = request.getInputStream().readAllBytes();
    }

    String target() {
      final String path = getRequestURI().substring((name + ROOT).length());
      return getQueryString() == null ? path : path + "?" + getQueryString();
    }

    @Override
    public jakarta.servlet.ServletInputStream getInputStream() {
      return new Body(body);
    }

    @Override
    public String getContextPath() {
      return name;
    }

    @Override
    public String getServletPath() {
      // With the name, because the service looks for the first place in the address where this stands.
      return name + ROOT;
    }

    @Override
    public HttpSession getSession(final boolean create) {
      return set.rows((HttpServletRequest) getRequest());
    }

    @Override
    public HttpSession getSession() {
      return getSession(true);
    }
  }

  /** A body that was read already. */
  private static final class Body extends jakarta.servlet.ServletInputStream {
    private final java.io.ByteArrayInputStream bytes;

    Body(final byte[] bytes) {
      this.bytes = new java.io.ByteArrayInputStream(bytes);
    }

    @Override
    public int read() {
      return bytes.read();
    }

    @Override
    public int read(final byte[] into, final int offset, final int length) {
      return bytes.read(into, offset, length);
    }

    @Override
    public boolean isFinished() {
      return bytes.available() == 0;
    }

    @Override
    public boolean isReady() {
      return true;
    }

    @Override
    public void setReadListener(final jakarta.servlet.ReadListener listener) {
      throw new UnsupportedOperationException();
    }
  }
}
