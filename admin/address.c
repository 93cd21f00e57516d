/* admin/address.c - from the JSON of an item to an address. */
#include "admin/address.h"

#include <string.h>

static const char *text_of(const json_t *value, const char *member)
{
    const char *text = json_string_value(json_object_get(value, member));
    return text != NULL ? text : "";
}

static const json_t *list_of(const json_t *value, const char *member)
{
    const json_t *list = json_object_get(value, member);
    return json_is_array(list) ? list : NULL;
}

void admin_address_read(struct admin_address *out, const char *owner, struct span id,
                        struct span value)
{
    ASSERT(out != NULL && owner != NULL && id.size < sizeof out->id);
    *out = (struct admin_address){.owner = owner};
    memcpy(out->id, id.data, id.size);
    out->value = json_loadb(value.size > 0 ? (const char *)value.data : "", value.size, 0, NULL);
    out->name = text_of(out->value, "name");
    out->name = out->name[0] != '\0' ? out->name : out->id;
    out->kana = text_of(out->value, "kana");
    out->organization = text_of(out->value, "organization");
    out->department = text_of(out->value, "department");
    out->title = text_of(out->value, "title");
    out->lists[ADDRESS_MAIL] = list_of(out->value, "mail");
    out->lists[ADDRESS_FAX] = list_of(out->value, "fax");
    out->lists[ADDRESS_TELEPHONE] = list_of(out->value, "telephone");
}

void admin_address_free(struct admin_address *address)
{
    ASSERT(address != NULL);
    json_decref(address->value);
    *address = (struct admin_address){0};
}

size_t admin_address_count(const struct admin_address *address, enum admin_address_list list)
{
    return json_array_size(address->lists[list]);
}

const char *admin_address_at(const struct admin_address *address, enum admin_address_list list,
                             size_t i)
{
    const char *text = json_string_value(json_array_get(address->lists[list], i));
    return text != NULL ? text : "";
}
