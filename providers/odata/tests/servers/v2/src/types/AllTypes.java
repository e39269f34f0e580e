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

/** A property of every simple type of V2, each of which may be null, and one of a complex type. */
@EdmEntityType(namespace = "Types")
@EdmEntitySet(name = "AllTypes")
public class AllTypes {
  @EdmKey
  @EdmProperty(type = EdmType.INT32, facets = @EdmFacets(nullable = false))
  public Integer Id;

  @EdmProperty(type = EdmType.STRING, facets = @EdmFacets(maxLength = 200))
  public String Text;

  @EdmProperty(type = EdmType.BOOLEAN)
  public Boolean Flag;

  @EdmProperty(type = EdmType.BYTE)
  public Short Byte;

  @EdmProperty(type = EdmType.SBYTE)
  public Byte SByte;

  @EdmProperty(type = EdmType.INT16)
  public Short Int16;

  @EdmProperty(type = EdmType.INT32)
  public Integer Int32;

  @EdmProperty(type = EdmType.INT64)
  public Long Int64;

  @EdmProperty(type = EdmType.SINGLE)
  public Float Single;

  @EdmProperty(type = EdmType.DOUBLE)
  public Double Double;

  @EdmProperty(type = EdmType.DECIMAL, facets = @EdmFacets(precision = 28, scale = 9))
  public BigDecimal Decimal;

  @EdmProperty(type = EdmType.DATE_TIME, facets = @EdmFacets(precision = 3))
  public Calendar DateTime;

  @EdmProperty(type = EdmType.DATE_TIME_OFFSET, facets = @EdmFacets(precision = 3))
  public Calendar DateTimeOffset;

  @EdmProperty(type = EdmType.TIME)
  public Calendar Time;

  @EdmProperty(type = EdmType.GUID)
  public UUID Guid;

  @EdmProperty(type = EdmType.BINARY)
  public byte[] Binary;

  @EdmProperty
  public Place Place;
}
