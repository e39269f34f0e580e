import javax.servlet.DispatcherType;
import javax.servlet.Filter;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.ServletRequest;
import javax.servlet.ServletResponse;
import javax.servlet.http.Cookie;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletRequestWrapper;
import javax.servlet.http.HttpServletResponse;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.stream.Stream;
import org.apache.catalina.Context;
import org.apache.catalina.Wrapper;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.olingo.odata2.api.ODataCallback;
import org.apache.olingo.odata2.api.ODataService;
import org.apache.olingo.odata2.api.ODataServiceFactory;
import org.apache.olingo.odata2.api.exception.ODataException;
import org.apache.olingo.odata2.api.processor.ODataContext;
import org.apache.olingo.odata2.core.servlet.ODataServlet;
import org.apache.olingo.odata2.ref.edm.ScenarioEdmProvider;
import org.apache.olingo.odata2.ref.model.DataContainer;
import org.apache.olingo.odata2.ref.processor.ListsProcessor;
import org.apache.olingo.odata2.ref.processor.ScenarioDataSource;
import org.apache.olingo.odata2.ref.processor.ScenarioErrorCallback;
import org.apache.tomcat.util.buf.EncodedSolidusHandling;
import org.apache.tomcat.util.descriptor.web.FilterDef;
import org.apache.tomcat.util.descriptor.web.FilterMap;
import types.TypesService;

/**
 * The reference scenario of Apache Olingo 2, unchanged, on 127.0.0.1 and a free port; README.md beside it says what it serves.
 *
 * <p>Its own service factory makes new rows for every request. Here the first segment of the path names them: {@code /NAME/odata.svc/} is a data set
 * of its own, fresh when it is first asked for, and {@code /NAME/requests} lists what its service was asked. {@code
 * /NAME/types.svc/} has rows of every type. A data set whose name begins with {@code
 * csrf} takes writes only with a token and the session it was fetched in, as an SAP Gateway does.
 *
 * <p>Prints one line, {@code http://127.0.0.1:PORT/}, when it is up, and ends when its standard input does.
 */
public final class ReferenceServer {
  private static final String ROOT = "/odata.svc";
  private static final String TYPES_ROOT = "/types.svc";

  private ReferenceServer() {}

  public static void main(final String[] arguments) throws Exception {
    final File folder = Files.createTempDirectory("odata-v2").toFile();
    final Tomcat tomcat = new Tomcat();
    tomcat.setBaseDir(folder.getPath());
    final Connector connector = new Connector();
    connector.setProperty("address", "127.0.0.1");
    connector.setPort(0);
    // A key value may hold a slash.
    connector.setEncodedSolidusHandling(EncodedSolidusHandling.PASS_THROUGH.getValue());
    tomcat.setConnector(connector);
    final Context context = tomcat.addContext("", folder.getPath());
    // Data sets are named by the path, not by cookies.
    context.setCookies(false);
    final Wrapper service = Tomcat.addServlet(context, "service", new ODataServlet());
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

  /** What one name stands for: its rows, what was asked, and the lock that the rows need, because their collections are not synchronised. */
  private static final class DataSet extends ODataServiceFactory {
    final ReadWriteLock lock = new ReentrantReadWriteLock();
    final RequestLog requests = new RequestLog();
    final Map<String, String> tokens = new ConcurrentHashMap<>();
    final DataContainer rows = new DataContainer();
    final TypesService types;

    DataSet() {
      rows.reset();
      try {
        types = new TypesService();
      } catch (final ODataException error) {
        throw new IllegalStateException(error);
      }
    }

    @Override
    public ODataService createService(final ODataContext context) throws ODataException {
      final HttpServletRequest request = (HttpServletRequest) context.getParameter(ODataContext.HTTP_SERVLET_REQUEST_OBJECT);
      if (request.getServletPath().equals(TYPES_ROOT)) {
        return createODataSingleProcessorService(types.model(), types.processor());
      }
      return createODataSingleProcessorService(new ScenarioEdmProvider(), new ListsProcessor(new ScenarioDataSource(rows)));
    }

    @Override
    @SuppressWarnings("unchecked")
    public <T extends ODataCallback> T getCallback(final Class<T> kind) {
      return kind.isAssignableFrom(ScenarioErrorCallback.class) ? (T) new ScenarioErrorCallback() : super.getCallback(kind);
    }
  }

  /** Gives every request the rows that its path names. */
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
        serve(set, new InDataSet(request, name, ROOT), response, next);
      } else if (rest.equals(TYPES_ROOT) || rest.startsWith(TYPES_ROOT + "/")) {
        serve(set, new InDataSet(request, name, TYPES_ROOT), response, next);
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
        request.setAttribute(ODataServiceFactory.FACTORY_INSTANCE_LABEL, set);
        if (request.name.startsWith("/csrf") && !mayPass(set, request, response, reads)) {
          return;
        }
        next.doFilter(request, response);
      } finally {
        lock.unlock();
        set.requests.answered(asked, response.getStatus());
      }
    }

    /** Gives a token to the one who fetches it, and refuses a write without it. */
    private static boolean mayPass(
        final DataSet set, final HttpServletRequest request, final HttpServletResponse response, final boolean reads) throws IOException {
      final String token = request.getHeader("X-CSRF-Token");
      if (reads) {
        if ("fetch".equalsIgnoreCase(token)) {
          final String session = UUID.randomUUID().toString();
          final String fetched = UUID.randomUUID().toString();
          set.tokens.put(session, fetched);
          final Cookie cookie = new Cookie("SAP_SESSIONID", session);
          cookie.setPath("/");
          cookie.setHttpOnly(true);
          response.addCookie(cookie);
          response.setHeader("X-CSRF-Token", fetched);
        }
        return true;
      }
      for (final Cookie cookie : request.getCookies() == null ? new Cookie[0] : request.getCookies()) {
        if (cookie.getName().equals("SAP_SESSIONID") && token != null && token.equals(set.tokens.get(cookie.getValue()))) {
          return true;
        }
      }
      response.setHeader("X-CSRF-Token", "Required");
      response.setStatus(HttpServletResponse.SC_FORBIDDEN);
      response.setContentType("text/plain;charset=utf-8");
      response.getWriter().write("CSRF token validation failed");
      return false;
    }
  }

  private static final class InDataSet extends HttpServletRequestWrapper {
    final String name;
    final String root;
    final byte[] body;

    InDataSet(final HttpServletRequest request, final String name, final String root) throws IOException {
      super(request);
      this.name = name;
      this.root = root;
      body = request.getInputStream().readAllBytes();
    }

    String target() {
      final String path = getRequestURI().substring((name + root).length());
      return getQueryString() == null ? path : path + "?" + getQueryString();
    }

    @Override
    public javax.servlet.ServletInputStream getInputStream() {
      return new Body(body);
    }

    @Override
    public String getContextPath() {
      return name;
    }

    @Override
    public String getServletPath() {
      return root;
    }

    @Override
    public String getPathInfo() {
      // Decoded, as a container gives it; nothing below the root is a redirect to the root.
      final String path = super.getPathInfo().substring((name + root).length());
      return path.isEmpty() ? null : path;
    }
  }

  /** A body that was read already. */
  private static final class Body extends javax.servlet.ServletInputStream {
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
    public void setReadListener(final javax.servlet.ReadListener listener) {
      throw new UnsupportedOperationException();
    }
  }
}
