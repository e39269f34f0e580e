import java.net.URI;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.http.HttpRequestInterceptor;
import org.apache.http.impl.client.DefaultHttpClient;
import org.apache.olingo.client.api.ODataClient;
import org.apache.olingo.client.api.domain.ClientEntity;
import org.apache.olingo.client.api.domain.ClientEntitySet;
import org.apache.olingo.client.api.domain.ClientProperty;
import org.apache.olingo.client.api.uri.URIBuilder;
import org.apache.olingo.client.core.ODataClientFactory;
import org.apache.olingo.client.core.http.DefaultHttpClientFactory;
import org.apache.olingo.commons.api.http.HttpMethod;

/** The client as it comes, with an API key on each request and nothing else changed: full metadata, chunked bodies. */
final class Service {
    /** The namespace of the default service. */
    static final String NAMESPACE = "Portico.odata";

    final ODataClient client = ODataClientFactory.getClient();
    final String root;

    Service(String root, String key) {
        this.root = root;
        client.getConfiguration().setHttpClientFactory(new Keyed(key));
        Check.holds("the client sends chunked bodies unless told otherwise", client.getConfiguration().isUseChuncked());
    }

    private static final class Keyed extends DefaultHttpClientFactory {
        private final HttpRequestInterceptor interceptor;

        Keyed(String key) {
            interceptor = (request, context) -> request.setHeader("X-Api-Key", key);
        }

        @Override
        public DefaultHttpClient create(HttpMethod method, URI uri) {
            DefaultHttpClient http = super.create(method, uri);
            http.addRequestInterceptor(interceptor);
            return http;
        }
    }

    URIBuilder uri(String set) {
        return client.newURIBuilder(root).appendEntitySetSegment(set);
    }

    URI key(String set, Object key) {
        return uri(set).appendKeySegment(key).build();
    }

    ClientEntitySet set(URI uri) {
        return client.getRetrieveRequestFactory().getEntitySetRequest(uri).execute().getBody();
    }

    ClientEntity entity(URI uri) {
        return client.getRetrieveRequestFactory().getEntityRequest(uri).execute().getBody();
    }

    /** The value of a primitive property, of the Java type that the client makes of it. */
    static Object value(ClientEntity entity, String name) {
        ClientProperty property = entity.getProperty(name);
        Check.holds("there is a property " + name + " in " + entity.getProperties(), property != null);
        return property.hasNullValue() ? null : property.getPrimitiveValue().toValue();
    }

    static List<Object> values(Iterable<ClientEntity> entities, String name) {
        List<Object> found = new java.util.ArrayList<>();
        entities.forEach(entity -> found.add(value(entity, name)));
        return found;
    }

    static List<Long> numbers(long... values) {
        return java.util.Arrays.stream(values).boxed().collect(Collectors.toList());
    }
}
