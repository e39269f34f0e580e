import java.net.URI;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import org.apache.olingo.client.api.communication.request.batch.BatchManager;
import org.apache.olingo.client.api.communication.request.batch.ODataBatchRequest;
import org.apache.olingo.client.api.communication.request.batch.ODataBatchResponseItem;
import org.apache.olingo.client.api.communication.request.batch.ODataChangeset;
import org.apache.olingo.client.api.communication.request.cud.ODataEntityUpdateRequest;
import org.apache.olingo.client.api.communication.request.cud.UpdateType;
import org.apache.olingo.client.api.communication.request.retrieve.ODataEntityRequest;
import org.apache.olingo.client.api.communication.request.retrieve.ODataEntitySetRequest;
import org.apache.olingo.client.api.communication.response.ODataBatchResponse;
import org.apache.olingo.client.api.communication.response.ODataResponse;
import org.apache.olingo.client.api.communication.response.ODataRetrieveResponse;
import org.apache.olingo.client.api.domain.ClientEntity;
import org.apache.olingo.client.api.domain.ClientEntitySet;

/** A multipart batch: reads, a change set with one change, and a read that sees it. */
final class Batches {
    private Batches() {}

    static List<Check> checks(Service service) {
        return Arrays.asList(
            new Check("reads in a batch", () -> reads(service)),
            new Check("a change set with one change", () -> change(service)),
            new Check("an error in a batch", () -> error(service)));
    }

    private static ODataResponse next(Iterator<ODataBatchResponseItem> items) {
        Check.holds("there is another part", items.hasNext());
        ODataBatchResponseItem item = items.next();
        Check.holds("the part has a response", item.hasNext());
        return item.next();
    }

    @SuppressWarnings("unchecked")
    private static void reads(Service service) {
        ODataBatchRequest request = service.client.getBatchRequestFactory().getBatchRequest(service.root);
        BatchManager manager = request.payloadManager();
        URI customers = service.uri("Customers").orderBy("Id").top(2).build();
        ODataEntitySetRequest<ClientEntitySet> first = service.client.getRetrieveRequestFactory().getEntitySetRequest(customers);
        manager.addRequest(first);
        ODataEntityRequest<ClientEntity> second = service.client.getRetrieveRequestFactory().getEntityRequest(service.key("Kinds", 1L));
        manager.addRequest(second);
        ODataBatchResponse response = manager.getResponse();
        Check.same("the status", 200, response.getStatusCode());
        Iterator<ODataBatchResponseItem> items = response.getBody();
        ODataRetrieveResponse<ClientEntitySet> set = (ODataRetrieveResponse<ClientEntitySet>) next(items);
        Check.same("the status of the first", 200, set.getStatusCode());
        Check.same("the customers", Service.numbers(1, 2), Service.values(set.getBody().getEntities(), "Id"));
        ODataRetrieveResponse<ClientEntity> entity = (ODataRetrieveResponse<ClientEntity>) next(items);
        Check.same("the status of the second", 200, entity.getStatusCode());
        Check.same("the big number", 5_000_000_000L, Service.value(entity.getBody(), "big"));
        Check.same("no more parts", false, items.hasNext());
    }

    @SuppressWarnings("unchecked")
    private static void change(Service service) {
        URI uri = service.key("Kinds", 12L);
        String etag = service.entity(uri).getETag();
        ODataBatchRequest request = service.client.getBatchRequestFactory().getBatchRequest(service.root);
        BatchManager manager = request.payloadManager();
        ODataChangeset changes = manager.addChangeset();
        ODataEntityUpdateRequest<ClientEntity> update =
            service.client.getCUDRequestFactory().getEntityUpdateRequest(uri, UpdateType.PATCH, Writes.patch(service, "changed in a batch"));
        update.setIfMatch(etag);
        changes.addRequest(update);
        manager.addRequest(service.client.getRetrieveRequestFactory().getEntityRequest(uri));
        ODataBatchResponse response = manager.getResponse();
        Iterator<ODataBatchResponseItem> items = response.getBody();
        ODataResponse written = next(items);
        Check.holds("the status of the change " + written.getStatusCode(), written.getStatusCode() == 200 || written.getStatusCode() == 204);
        ODataRetrieveResponse<ClientEntity> after = (ODataRetrieveResponse<ClientEntity>) next(items);
        Check.same("what is read after it", "changed in a batch", Service.value(after.getBody(), "label"));
        Check.same("what is read later", "changed in a batch", Service.value(service.entity(uri), "label"));
    }

    private static void error(Service service) {
        ODataBatchRequest request = service.client.getBatchRequestFactory().getBatchRequest(service.root);
        BatchManager manager = request.payloadManager();
        manager.addRequest(service.client.getRetrieveRequestFactory().getEntityRequest(service.key("Kinds", 999L)));
        ODataBatchResponse response = manager.getResponse();
        Check.same("the status of the batch", 200, response.getStatusCode());
        Check.same("the status of the part", 404, next(response.getBody()).getStatusCode());
    }
}
