import java.math.BigDecimal;
import java.net.URI;
import java.sql.Timestamp;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Calendar;
import java.util.Collections;
import java.util.List;
import java.util.TimeZone;
import java.util.UUID;
import org.apache.olingo.client.api.communication.ODataClientErrorException;
import org.apache.olingo.client.api.communication.request.retrieve.ODataEntityRequest;
import org.apache.olingo.client.api.communication.request.retrieve.ODataEntitySetRequest;
import org.apache.olingo.client.api.communication.request.retrieve.ODataValueRequest;
import org.apache.olingo.client.api.communication.response.ODataRetrieveResponse;
import org.apache.olingo.client.api.domain.ClientComplexValue;
import org.apache.olingo.client.api.domain.ClientEntity;
import org.apache.olingo.client.api.domain.ClientEntitySet;
import org.apache.olingo.client.api.domain.ClientEntitySetIterator;
import org.apache.olingo.client.api.domain.ClientInlineEntity;
import org.apache.olingo.client.api.domain.ClientInlineEntitySet;
import org.apache.olingo.client.api.domain.ClientLink;
import org.apache.olingo.client.api.uri.FilterArgFactory;
import org.apache.olingo.client.api.uri.FilterFactory;
import org.apache.olingo.client.api.uri.QueryOption;
import org.apache.olingo.client.api.uri.URIFilter;
import org.apache.olingo.commons.api.edm.EdmPrimitiveTypeKind;
import org.apache.olingo.commons.core.Encoder;

/** Reads: typed values, pages, expanded entities, filters from the client's factory, counts and raw values. */
final class Reads {
    private Reads() {}

    static List<Check> checks(Service service) {
        return Arrays.asList(
            new Check("a set is read with full metadata", () -> fullMetadata(service)),
            new Check("every type is read as what it is", () -> everyType(service)),
            new Check("the edges of every type", () -> edges(service)),
            new Check("wide decimals are exact as text", () -> wide(service)),
            new Check("enumerations and complex values", () -> structured(service)),
            new Check("null of every type", () -> nulls(service)),
            new Check("pages are followed to the end", () -> pages(service)),
            new Check("a set is read entity by entity", () -> iterated(service)),
            new Check("related entities are expanded", () -> expanded(service)),
            new Check("links lead to related entities", () -> navigated(service)),
            new Check("filters of the client's factory", () -> filters(service)),
            new Check("literals of every type in filters", () -> literals(service)),
            new Check("options of the client's builder", () -> options(service)),
            new Check("counts", () -> counts(service)),
            new Check("raw values", () -> values(service)),
            new Check("errors are read", () -> errors(service)));
    }

    private static void fullMetadata(Service service) {
        ODataEntitySetRequest<ClientEntitySet> request = service.client.getRetrieveRequestFactory().getEntitySetRequest(service.uri("Kinds").filter("id ne 4").build());
        Check.holds("the default is full metadata: " + request.getAccept(), request.getAccept().contains("metadata=full"));
        ODataRetrieveResponse<ClientEntitySet> response = request.execute();
        Check.same("the version", "4.0", String.join(",", response.getHeader("OData-Version")));
        Check.holds("it is full: " + response.getContentType(), response.getContentType().contains("odata.metadata=full"));
        for (ClientEntity entity : response.getBody().getEntities()) {
            Object id = Service.value(entity, "id");
            Check.same("the type", Service.NAMESPACE + ".Kinds", entity.getTypeName().getFullQualifiedNameAsString());
            Check.same("the id", service.root + "Kinds(" + id + ")", entity.getId().toString());
            Check.same("the edit link", service.root + "Kinds(" + id + ")", entity.getEditLink().toString());
            Check.holds("there is an ETag", entity.getETag() != null && entity.getETag().startsWith("W/\""));
        }
    }

    private static void type(ClientEntity entity, String name, EdmPrimitiveTypeKind kind) {
        Check.same("the type of " + name, kind, entity.getProperty(name).getPrimitiveValue().getTypeKind());
    }

    private static void everyType(Service service) throws Exception {
        ClientEntity row = service.entity(service.key("Kinds", 1L));
        type(row, "id", EdmPrimitiveTypeKind.Int64);
        type(row, "flag", EdmPrimitiveTypeKind.Boolean);
        type(row, "small", EdmPrimitiveTypeKind.Int16);
        type(row, "whole", EdmPrimitiveTypeKind.Int32);
        type(row, "big", EdmPrimitiveTypeKind.Int64);
        type(row, "exact", EdmPrimitiveTypeKind.Decimal);
        type(row, "single", EdmPrimitiveTypeKind.Single);
        type(row, "double", EdmPrimitiveTypeKind.Double);
        type(row, "label", EdmPrimitiveTypeKind.String);
        type(row, "day", EdmPrimitiveTypeKind.Date);
        type(row, "clock", EdmPrimitiveTypeKind.TimeOfDay);
        type(row, "moment", EdmPrimitiveTypeKind.DateTimeOffset);
        type(row, "bytes", EdmPrimitiveTypeKind.Binary);
        type(row, "token", EdmPrimitiveTypeKind.Guid);
        Check.same("flag", true, Service.value(row, "flag"));
        Check.same("small", (short) 7, Service.value(row, "small"));
        Check.same("whole", 70_000, Service.value(row, "whole"));
        Check.same("big", 5_000_000_000L, Service.value(row, "big"));
        Check.same("exact", new BigDecimal("1234567.8900"), ((BigDecimal) Service.value(row, "exact")).setScale(4));
        Check.same("single", 1.5f, Service.value(row, "single"));
        Check.same("double", 0.1, Service.value(row, "double"));
        Check.same("label", "O'Hara & Söhne <ä> \"q\" \\ 100%", Service.value(row, "label"));
        Calendar day = row.getProperty("day").getPrimitiveValue().toCastValue(Calendar.class);
        Check.same("day", "2024-1-29", day.get(Calendar.YEAR) + "-" + day.get(Calendar.MONTH) + "-" + day.get(Calendar.DAY_OF_MONTH));
        Calendar clock = row.getProperty("clock").getPrimitiveValue().toCastValue(Calendar.class);
        Check.same("clock", "13:5:9.250",
            clock.get(Calendar.HOUR_OF_DAY) + ":" + clock.get(Calendar.MINUTE) + ":" + clock.get(Calendar.SECOND) + "." + clock.get(Calendar.MILLISECOND));
        Timestamp moment = row.getProperty("moment").getPrimitiveValue().toCastValue(Timestamp.class);
        Check.same("moment", Instant.parse("2024-02-29T10:30:00.123456Z"), moment.toInstant());
        Check.same("bytes", "AP8Qqw==", Base64.getEncoder().encodeToString((byte[]) Service.value(row, "bytes")));
        Check.same("token", UUID.fromString("01234567-89ab-cdef-0123-456789abcdef"), Service.value(row, "token"));
    }

    private static void edges(Service service) throws Exception {
        ClientEntity row = service.entity(service.key("Kinds", 2L));
        Check.same("flag", false, Service.value(row, "flag"));
        Check.same("small", Short.MIN_VALUE, Service.value(row, "small"));
        Check.same("whole", Integer.MIN_VALUE, Service.value(row, "whole"));
        Check.same("big", Long.MAX_VALUE, Service.value(row, "big"));
        Check.same("exact", new BigDecimal("-99999999999.9999"), Service.value(row, "exact"));
        Check.same("single", Float.NaN, Service.value(row, "single"));
        Check.same("double", Double.NEGATIVE_INFINITY, Service.value(row, "double"));
        Check.same("label", "", Service.value(row, "label"));
        Timestamp moment = row.getProperty("moment").getPrimitiveValue().toCastValue(Timestamp.class);
        Check.same("moment", Instant.parse("9999-12-31T23:59:59.999999Z"), moment.toInstant());
        Check.same("bytes", 0, ((byte[]) Service.value(row, "bytes")).length);
        Check.same("token", new UUID(0, 0), Service.value(row, "token"));
    }

    /** The client makes a double of a number in JSON, so it can read a wide decimal only as text. */
    private static void wide(Service service) {
        ODataEntityRequest<ClientEntity> request = service.client.getRetrieveRequestFactory().getEntityRequest(service.key("Kinds", 4L));
        request.setAccept("application/json;odata.metadata=full;IEEE754Compatible=true");
        ODataRetrieveResponse<ClientEntity> response = request.execute();
        Check.holds("it is said: " + response.getContentType(), response.getContentType().contains("IEEE754Compatible=true"));
        ClientEntity row = response.getBody();
        Check.same("exact", new BigDecimal("-999999999999999.9999"), Service.value(row, "exact"));
        Check.same("big", Long.MIN_VALUE, Service.value(row, "big"));
        Check.same("whole", 4, Service.value(row, "whole"));
    }

    private static void structured(Service service) {
        ClientEntity row = service.entity(service.key("Kinds", 1L));
        Check.same("state", "Open", row.getProperty("state").getEnumValue().getValue());
        Check.same("the type of state", Service.NAMESPACE + ".State", row.getProperty("state").getEnumValue().getTypeName());
        Check.same("rights", "Read,Delete", row.getProperty("rights").getEnumValue().getValue());
        ClientComplexValue home = row.getProperty("home").getComplexValue();
        Check.same("the street", "Main Street 1", home.get("street").getPrimitiveValue().toValue());
        Check.holds("there is no town", home.get("town").hasNullValue());
        ClientEntity none = service.entity(service.key("Kinds", 3L));
        for (String name : new String[] {"state", "rights", "home"}) {
            Check.holds(name + " is null", none.getProperty(name).hasNullValue());
        }
    }

    private static void nulls(Service service) {
        ClientEntity row = service.entity(service.key("Kinds", 3L));
        String[] names = {"flag", "small", "whole", "big", "exact", "single", "double", "label", "day", "clock", "moment", "bytes", "token"};
        for (String name : names) {
            Check.same(name, null, Service.value(row, name));
        }
    }

    private static void pages(Service service) {
        List<Object> found = new ArrayList<>();
        URI next = service.uri("Invoices").orderBy("amount desc").build();
        int pages = 0;
        while (next != null) {
            ODataEntitySetRequest<ClientEntitySet> request = service.client.getRetrieveRequestFactory().getEntitySetRequest(next);
            request.setPrefer(service.client.newPreferences().maxPageSize(50));
            ClientEntitySet page = request.execute().getBody();
            Check.holds("a page has no more than asked", page.getEntities().size() <= 50);
            found.addAll(Service.values(page.getEntities(), "id"));
            next = page.getNext();
            pages++;
        }
        List<Object> expected = new ArrayList<>();
        for (long id = 120; id > 0; id--) {
            expected.add(id);
        }
        Check.same("all invoices", expected, found);
        Check.same("pages", 3, pages);
    }

    private static void iterated(Service service) {
        ClientEntitySetIterator<ClientEntitySet, ClientEntity> iterator =
            service.client.getRetrieveRequestFactory().getEntitySetIteratorRequest(service.uri("Customers").build()).execute().getBody();
        List<Object> found = new ArrayList<>();
        while (iterator.hasNext()) {
            found.add(Service.value(iterator.next(), "Id"));
        }
        iterator.close();
        found.sort(null);
        Check.same("the number of customers", 24, found.size());
        Check.same("the last", 24L, found.get(23));
    }

    private static void expanded(Service service) {
        URI uri = service.uri("Customers").appendKeySegment(3L).expand("Home")
            .expandWithOptions("Invoices", Collections.singletonMap(QueryOption.ORDERBY, "amount desc")).build();
        ClientEntity customer = service.entity(uri);
        ClientInlineEntity home = customer.getNavigationLink("Home").asInlineEntity();
        Check.same("the region", "The Americas", Service.value(home.getEntity(), "name"));
        Check.same("the type of what is expanded", Service.NAMESPACE + ".Regions", home.getEntity().getTypeName().getFullQualifiedNameAsString());
        ClientInlineEntitySet invoices = customer.getNavigationLink("Invoices").asInlineEntitySet();
        Check.same("the invoices", Service.numbers(103, 83, 63, 43, 23, 3), Service.values(invoices.getEntitySet().getEntities(), "id"));
        ClientEntity childless = service.entity(service.uri("Customers").appendKeySegment(24L).expand("Invoices").build());
        Check.same("no invoices", 0, childless.getNavigationLink("Invoices").asInlineEntitySet().getEntitySet().getEntities().size());
    }

    private static void navigated(Service service) {
        ClientEntity customer = service.entity(service.key("Customers", 3L));
        ClientLink invoices = customer.getNavigationLink("Invoices");
        Check.holds("a link is there without $expand", invoices != null);
        ClientEntitySet found = service.set(service.client.newURIBuilder(invoices.getLink().toString()).orderBy("id").build());
        Check.same("the invoices behind the link", Service.numbers(3, 23, 43, 63, 83, 103), Service.values(found.getEntities(), "id"));
        ClientEntity home = service.entity(customer.getNavigationLink("Home").getLink());
        Check.same("the region behind the link", "AMER", Service.value(home, "code"));
    }

    private static void filter(Service service, URIFilter filter, long... expected) {
        URI uri = service.uri("Customers").filter(filter).orderBy("Id").build();
        Check.same(filter.build(), Service.numbers(expected), Service.values(service.set(uri).getEntities(), "Id"));
    }

    private static void filters(Service service) {
        FilterFactory f = service.client.getFilterFactory();
        FilterArgFactory a = f.getArgFactory();
        filter(service, f.eq("Id", 3L), 3);
        filter(service, f.and(f.ge("Id", 20), f.not(f.eq("Region", "EMEA"))), 21, 22, 24);
        filter(service, f.or(f.lt("Id", 2), f.gt("Id", 23)), 1, 24);
        // The factory writes text as it is given: doubling a quote is its caller's business.
        filter(service, f.eq("City", "O''Hara"), 3, 9, 15, 21);
        filter(service, f.eq(a.property("City"), a.nullValue()), 1, 7, 13, 19);
        filter(service, f.match(a.contains(a.property("Name"), a.literal("er 1"))), 10, 11, 12, 13, 14, 15, 16, 17, 18, 19);
        filter(service, f.match(a.startswith(a.tolower(a.property("City")), a.literal("ly"))), 2, 8, 14, 20);
        filter(service, f.eq(a.length(a.property("City")), a.literal(6)), 3, 4, 6, 9, 10, 12, 15, 16, 18, 21, 22, 24);
        filter(service, f.eq(a.year(a.property("Since")), a.literal(2021)), 2, 6, 10, 14, 18, 22);
        filter(service, f.eq(a.mod(a.property("Id"), a.literal(7)), a.literal(3)), 3, 10, 17, 24);
        filter(service, f.eq(a.property("Credit"), a.literal(new BigDecimal("35.50"))));
        filter(service, f.eq(a.property("Active"), a.literal(false)), 4, 8, 12, 16, 20, 24);
        filter(service, f.match(a.any(a.property("Invoices"), "i", f.eq(a.property("i/id"), a.literal(25)))), 5);
        filter(service, f.not(f.match(a.any(a.property("Invoices"), "i", f.gt(a.property("i/id"), a.literal(0))))), 21, 22, 23, 24);
        filter(service, f.eq("Home/name", "The Americas"), 3, 6, 9, 12, 15, 18, 21, 24);
    }

    private static void kind(Service service, String literal, Object value) {
        FilterFactory f = service.client.getFilterFactory();
        FilterArgFactory a = f.getArgFactory();
        URIFilter filter = f.eq(a.property(literal), a.literal(value));
        URI uri = service.uri("Kinds").filter(filter).orderBy("id").build();
        List<Object> found = Service.values(service.set(uri).getEntities(), "id");
        Check.same(filter.build(), Service.numbers(1), found);
    }

    private static void literals(Service service) {
        kind(service, "flag", true);
        kind(service, "small", (short) 7);
        kind(service, "whole", 70_000);
        kind(service, "big", 5_000_000_000L);
        kind(service, "exact", new BigDecimal("1234567.89"));
        kind(service, "single", 1.5f);
        kind(service, "double", 0.1);
        // The builder decodes what it is given, and knows only ASCII in it.
        kind(service, "label", Encoder.encode("O''Hara & Söhne <ä> \"q\" \\ 100%"));
        kind(service, "token", UUID.fromString("01234567-89ab-cdef-0123-456789abcdef"));
        // The client writes every moment as a date with a time and an offset.
        Timestamp moment = Timestamp.from(Instant.parse("2024-02-29T10:30:00.123456Z"));
        kind(service, "moment", moment);
        Calendar shown = Calendar.getInstance(TimeZone.getTimeZone("GMT+02:00"));
        shown.setTimeInMillis(Instant.parse("2024-02-29T10:30:00Z").toEpochMilli());
        FilterFactory f = service.client.getFilterFactory();
        FilterArgFactory a = f.getArgFactory();
        URI uri = service.uri("Kinds").filter(f.ge(a.property("moment"), a.literal(shown))).orderBy("id").build();
        Check.same("moments from " + uri, Service.numbers(1, 2), Service.values(service.set(uri).getEntities(), "id"));
    }

    private static void options(Service service) {
        URI uri = service.uri("Customers").select("Id", "Name").orderBy("Region desc,Id").skip(2).top(3).count(true).build();
        ClientEntitySet set = service.set(uri);
        Check.same("the count", 24, set.getCount());
        Check.same("the window", Service.numbers(8, 11, 14), Service.values(set.getEntities(), "Id"));
        Check.same("what is selected", 2, set.getEntities().get(0).getProperties().size());
        ClientEntitySet lines = service.set(service.uri("Invoices").appendKeySegment(5L).appendNavigationSegment("Lines").orderBy("no").build());
        Check.same("along a relationship", Arrays.asList("first", "second"), Service.values(lines.getEntities(), "product"));
        java.util.Map<String, Object> key = new java.util.LinkedHashMap<>();
        key.put("invoice_id", 5L);
        key.put("no", 2);
        Check.same("a key of two parts", "second", Service.value(service.entity(service.uri("Lines").appendKeySegment(key).build()), "product"));
    }

    private static String raw(Service service, URI uri) {
        ODataValueRequest request = service.client.getRetrieveRequestFactory().getValueRequest(uri);
        Check.holds("values are asked as text: " + request.getAccept(), request.getAccept().startsWith("text/plain"));
        return request.execute().getBody().toString();
    }

    private static void counts(Service service) {
        Check.same("invoices", "120", raw(service, service.uri("Invoices").appendCountSegment().build()));
        URIFilter paid = service.client.getFilterFactory().eq("paid", true);
        Check.same("paid invoices", "40", raw(service, service.uri("Invoices").appendCountSegment().filter(paid).build()));
        URI related = service.uri("Customers").appendKeySegment(3L).appendNavigationSegment("Invoices").appendCountSegment().build();
        Check.same("invoices of one customer", "6", raw(service, related));
    }

    private static void values(Service service) {
        String[][] expected = {
            {"flag", "true"}, {"small", "7"}, {"big", "5000000000"}, {"exact", "1234567.8900"}, {"single", "1.5"},
            {"label", "O'Hara & Söhne <ä> \"q\" \\ 100%"}, {"day", "2024-02-29"}, {"token", "01234567-89ab-cdef-0123-456789abcdef"},
        };
        for (String[] pair : expected) {
            URI uri = service.uri("Kinds").appendKeySegment(1L).appendPropertySegment(pair[0]).appendValueSegment().build();
            Check.same(pair[0], pair[1], raw(service, uri));
        }
        URI property = service.uri("Customers").appendKeySegment(3L).appendPropertySegment("Name").build();
        Check.same("a property", "Customer 03",
            service.client.getRetrieveRequestFactory().getPropertyRequest(property).execute().getBody().getPrimitiveValue().toValue());
    }

    private static void errors(Service service) {
        try {
            service.entity(service.key("Kinds", 999L));
            throw new AssertionError("an entity that is not there was read");
        } catch (ODataClientErrorException error) {
            Check.same("the status", 404, error.getStatusLine().getStatusCode());
            Check.holds("the error is read: " + error.getODataError().getMessage(), error.getODataError().getCode() != null);
        }
        try {
            service.set(service.uri("Kinds").filter("nothing eq 1").build());
            throw new AssertionError("a property that is not there was read");
        } catch (ODataClientErrorException error) {
            Check.same("the status", 400, error.getStatusLine().getStatusCode());
            Check.holds("it names the culprit: " + error.getODataError().getMessage(), error.getODataError().getMessage().contains("nothing"));
        }
    }
}
