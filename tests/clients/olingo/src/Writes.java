import java.math.BigDecimal;
import java.net.URI;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import org.apache.olingo.client.api.communication.ODataClientErrorException;
import org.apache.olingo.client.api.communication.request.cud.ODataDeleteRequest;
import org.apache.olingo.client.api.communication.request.cud.ODataEntityUpdateRequest;
import org.apache.olingo.client.api.communication.request.cud.UpdateType;
import org.apache.olingo.client.api.communication.response.ODataEntityCreateResponse;
import org.apache.olingo.client.api.communication.response.ODataEntityUpdateResponse;
import org.apache.olingo.client.api.domain.ClientEntity;
import org.apache.olingo.client.api.domain.ClientObjectFactory;
import org.apache.olingo.commons.api.edm.FullQualifiedName;

/** Single writes with chunked bodies: create, change with an ETag, delete. */
final class Writes {
    private Writes() {}

    static List<Check> checks(Service service) {
        return Arrays.asList(
            new Check("an entity is created", () -> created(service)),
            new Check("an entity is changed with its ETag", () -> changed(service)),
            new Check("a change that tunnels through POST", () -> tunnelled(service)),
            new Check("an entity is deleted", () -> deleted(service)));
    }

    static ClientEntity patch(Service service, String label) {
        ClientObjectFactory of = service.client.getObjectFactory();
        ClientEntity patch = of.newEntity(new FullQualifiedName(Service.NAMESPACE, "Kinds"));
        patch.getProperties().add(of.newPrimitiveProperty("label", of.newPrimitiveValueBuilder().buildString(label)));
        return patch;
    }

    private static void created(Service service) {
        ClientObjectFactory of = service.client.getObjectFactory();
        ClientEntity entity = of.newEntity(new FullQualifiedName(Service.NAMESPACE, "Kinds"));
        entity.getProperties().add(of.newPrimitiveProperty("id", of.newPrimitiveValueBuilder().buildInt64(100L)));
        entity.getProperties().add(of.newPrimitiveProperty("flag", of.newPrimitiveValueBuilder().buildBoolean(true)));
        entity.getProperties().add(of.newPrimitiveProperty("small", of.newPrimitiveValueBuilder().buildInt16((short) -5)));
        entity.getProperties().add(of.newPrimitiveProperty("exact", of.newPrimitiveValueBuilder().buildDecimal(new BigDecimal("12.3400"))));
        entity.getProperties().add(of.newPrimitiveProperty("double", of.newPrimitiveValueBuilder().buildDouble(2.5)));
        entity.getProperties().add(of.newPrimitiveProperty("label", of.newPrimitiveValueBuilder().buildString("Zoë's \"new\" one")));
        entity.getProperties().add(of.newPrimitiveProperty("bytes", of.newPrimitiveValueBuilder().buildBinary(new byte[] {1, -1, 62, -2})));
        entity.getProperties().add(of.newPrimitiveProperty("token", of.newPrimitiveValueBuilder().buildGuid(new UUID(1, 2))));
        ODataEntityCreateResponse<ClientEntity> response =
            service.client.getCUDRequestFactory().getEntityCreateRequest(service.uri("Kinds").build(), entity).execute();
        Check.same("the status", 201, response.getStatusCode());
        Check.same("the location", service.root + "Kinds(100)", String.join(",", response.getHeader("Location")));
        ClientEntity stored = service.entity(service.key("Kinds", 100L));
        Check.same("exact", new BigDecimal("12.34"), ((BigDecimal) Service.value(stored, "exact")).stripTrailingZeros());
        Check.same("label", "Zoë's \"new\" one", Service.value(stored, "label"));
        Check.holds("bytes", Arrays.equals(new byte[] {1, -1, 62, -2}, (byte[]) Service.value(stored, "bytes")));
        Check.same("token", new UUID(1, 2), Service.value(stored, "token"));
        Check.same("what was not sent", null, Service.value(stored, "whole"));
        Check.same("the answer", "Zoë's \"new\" one", Service.value(response.getBody(), "label"));
    }

    private static int refused(Runnable request) {
        try {
            request.run();
        } catch (ODataClientErrorException error) {
            return error.getStatusLine().getStatusCode();
        }
        throw new AssertionError("the request was not refused");
    }

    private static void changed(Service service) {
        URI uri = service.key("Kinds", 10L);
        ClientEntity before = service.entity(uri);
        ODataEntityUpdateRequest<ClientEntity> request =
            service.client.getCUDRequestFactory().getEntityUpdateRequest(uri, UpdateType.PATCH, patch(service, "changed"));
        request.setIfMatch(before.getETag());
        ODataEntityUpdateResponse<ClientEntity> response = request.execute();
        Check.holds("the status " + response.getStatusCode(), response.getStatusCode() == 200 || response.getStatusCode() == 204);
        ClientEntity after = service.entity(uri);
        Check.same("the label", "changed", Service.value(after, "label"));
        Check.holds("another ETag than " + before.getETag(), !before.getETag().equals(after.getETag()));
        Check.same("a change with the old ETag", 412, refused(() -> {
            ODataEntityUpdateRequest<ClientEntity> late =
                service.client.getCUDRequestFactory().getEntityUpdateRequest(uri, UpdateType.PATCH, patch(service, "too late"));
            late.setIfMatch(before.getETag());
            late.execute();
        }));
        Check.same("the label is as it was", "changed", Service.value(service.entity(uri), "label"));
    }

    private static void tunnelled(Service service) {
        URI uri = service.key("Kinds", 10L);
        service.client.getConfiguration().setUseXHTTPMethod(true);
        try {
            ODataEntityUpdateRequest<ClientEntity> request =
                service.client.getCUDRequestFactory().getEntityUpdateRequest(uri, UpdateType.PATCH, patch(service, "tunnelled"));
            request.setIfMatch("*");
            request.execute();
        } finally {
            service.client.getConfiguration().setUseXHTTPMethod(false);
        }
        Check.same("the label", "tunnelled", Service.value(service.entity(uri), "label"));
    }

    private static void deleted(Service service) {
        URI uri = service.key("Kinds", 11L);
        String etag = service.entity(uri).getETag();
        ODataDeleteRequest request = service.client.getCUDRequestFactory().getDeleteRequest(uri);
        request.setIfMatch(etag);
        Check.same("the status", 204, request.execute().getStatusCode());
        Check.same("reading it again", 404, refused(() -> service.entity(uri)));
    }
}
