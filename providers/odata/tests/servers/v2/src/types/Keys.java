package types;

import java.math.BigDecimal;
import java.util.Calendar;
import java.util.UUID;
import org.apache.olingo.odata2.api.annotation.edm.EdmEntitySet;
import org.apache.olingo.odata2.api.annotation.edm.EdmEntityType;
import org.apache.olingo.odata2.api.annotation.edm.EdmFacets;
import org.apache.olingo.odata2.api.annotation.edm.EdmKey;
import org.apache.olingo.odata2.api.annotation.edm.EdmProperty;
import org.apache.olingo.odata2.api.annotation.edm.EdmType;

/** A key of many properties, so that every literal of a key predicate is needed. */
@EdmEntityType(namespace = "Types")
@EdmEntitySet(name = "Keys")
public class Keys {
  @EdmKey
  @EdmProperty(facets = @EdmFacets(nullable = false))
  public String Text;

  @EdmKey
  @EdmProperty(type = EdmType.BOOLEAN, facets = @EdmFacets(nullable = false))
  public Boolean Flag;

  @EdmKey
  @EdmProperty(type = EdmType.INT64, facets = @EdmFacets(nullable = false))
  public Long Int64;

  @EdmKey
  @EdmProperty(type = EdmType.DECIMAL, facets = @EdmFacets(nullable = false, precision = 15, scale = 3))
  public BigDecimal Decimal;

  @EdmKey
  @EdmProperty(type = EdmType.DATE_TIME, facets = @EdmFacets(nullable = false))
  public Calendar DateTime;

  @EdmKey
  @EdmProperty(type = EdmType.TIME, facets = @EdmFacets(nullable = false))
  public Calendar Time;

  @EdmKey
  @EdmProperty(type = EdmType.GUID, facets = @EdmFacets(nullable = false))
  public UUID Guid;

  @EdmProperty
  public String Note;
}
