package types;

import java.math.BigDecimal;
import org.apache.olingo.odata2.api.annotation.edm.EdmComplexType;
import org.apache.olingo.odata2.api.annotation.edm.EdmFacets;
import org.apache.olingo.odata2.api.annotation.edm.EdmProperty;
import org.apache.olingo.odata2.api.annotation.edm.EdmType;

/** A complex type. */
@EdmComplexType(namespace = "Types")
public class Place {
  @EdmProperty
  public String City;

  @EdmProperty(type = EdmType.DECIMAL, facets = @EdmFacets(precision = 9, scale = 6))
  public BigDecimal Latitude;
}
