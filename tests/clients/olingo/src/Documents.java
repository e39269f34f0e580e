import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.apache.olingo.client.api.communication.request.retrieve.EdmMetadataRequest;
import org.apache.olingo.client.api.communication.response.ODataRetrieveResponse;
import org.apache.olingo.client.api.domain.ClientServiceDocument;
import org.apache.olingo.commons.api.edm.Edm;
import org.apache.olingo.commons.api.edm.EdmComplexType;
import org.apache.olingo.commons.api.edm.EdmEntitySet;
import org.apache.olingo.commons.api.edm.EdmEntityType;
import org.apache.olingo.commons.api.edm.EdmEnumType;
import org.apache.olingo.commons.api.edm.EdmNavigationProperty;
import org.apache.olingo.commons.api.edm.EdmProperty;
import org.apache.olingo.commons.api.edm.FullQualifiedName;

/** The service document and {@code $metadata}, as the client's own model of them. */
final class Documents {
    private Documents() {}

    /**
     * What {@code $metadata} says. The client goes on to fetch the vocabularies that the document refers to from where their standard is
     * published; a test asks nobody but the gateway, and so prefers a document without annotations, which refers to none.
     */
    private static Edm edm(Service service) {
        EdmMetadataRequest request = service.client.getRetrieveRequestFactory().getMetadataRequest(service.root);
        request.setPrefer("odata.include-annotations=\"-*\"");
        ODataRetrieveResponse<Edm> response = request.execute();
        Check.same("the format", "application/xml;charset=utf-8", response.getContentType());
        return response.getBody();
    }

    static List<Check> checks(Service service) {
        return Arrays.asList(
            new Check("the service document names the entity sets", () -> {
                ClientServiceDocument document = service.client.getRetrieveRequestFactory().getServiceDocumentRequest(service.root).execute().getBody();
                Set<String> names = document.getEntitySets().keySet();
                Check.holds("Customers, Invoices and Kinds are in " + names, names.containsAll(Arrays.asList("Customers", "Invoices", "Kinds")));
                Check.same("the URL of Customers", service.root + "Customers", document.getEntitySetURI("Customers").toString());
            }),
            new Check("the metadata becomes a model", () -> {
                Edm edm = edm(service);
                EdmEntityType kinds = edm.getEntityType(new FullQualifiedName(Service.NAMESPACE, "Kinds"));
                Check.same("the key", List.of("id"), kinds.getKeyPredicateNames());
                String[][] types = {
                    {"id", "Int64"}, {"flag", "Boolean"}, {"small", "Int16"}, {"whole", "Int32"}, {"big", "Int64"}, {"exact", "Decimal"},
                    {"single", "Single"}, {"double", "Double"}, {"label", "String"}, {"day", "Date"}, {"clock", "TimeOfDay"},
                    {"moment", "DateTimeOffset"}, {"bytes", "Binary"}, {"token", "Guid"},
                };
                for (String[] type : types) {
                    Check.same("the type of " + type[0], type[1], kinds.getStructuralProperty(type[0]).getType().getName());
                }
                EdmProperty exact = kinds.getStructuralProperty("exact");
                Check.same("the precision", 20, exact.getPrecision());
                Check.same("the scale", 4, exact.getScale());
                Check.same("the length of the label", 40, kinds.getStructuralProperty("label").getMaxLength());
                Check.same("may be null", true, exact.isNullable());
                Check.same("the key may be null", false, kinds.getStructuralProperty("id").isNullable());
            }),
            new Check("enumerations and complex types are in it", () -> {
                Edm edm = edm(service);
                EdmEnumType state = edm.getEnumType(new FullQualifiedName(Service.NAMESPACE, "State"));
                Check.same("the members", Arrays.asList("Open", "Closed"), state.getMemberNames());
                Check.same("the value of a member", "2", state.getMember("Closed").getValue());
                EdmEnumType rights = edm.getEnumType(new FullQualifiedName(Service.NAMESPACE, "Rights"));
                Check.same("rights are flags", true, rights.isFlags());
                EdmComplexType address = edm.getComplexType(new FullQualifiedName(Service.NAMESPACE, "Address"));
                Check.same("the members of an address", Arrays.asList("street", "town"), address.getPropertyNames());
                EdmEntityType kinds = edm.getEntityType(new FullQualifiedName(Service.NAMESPACE, "Kinds"));
                Check.same("the type of home", "Address", kinds.getStructuralProperty("home").getType().getName());
            }),
            new Check("relationships lead from set to set", () -> {
                Edm edm = edm(service);
                EdmEntitySet customers = edm.getEntityContainer().getEntitySet("Customers");
                EdmNavigationProperty invoices = customers.getEntityType().getNavigationProperty("Invoices");
                Check.same("Invoices is a collection", true, invoices.isCollection());
                Check.same("its partner", "Customer", invoices.getPartner().getName());
                Check.same("its target", "Invoices", customers.getRelatedBindingTarget("Invoices").getName());
                EdmNavigationProperty home = customers.getEntityType().getNavigationProperty("Home");
                Check.same("Home is a collection", false, home.isCollection());
                Check.same("Home is found by", "Region", home.getReferencingPropertyName("code"));
            }));
    }
}
