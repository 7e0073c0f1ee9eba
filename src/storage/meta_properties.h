#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "base/uuid.h"

namespace millrace::storage {

// meta.properties: whose log directory this is. Version 1 is written, 0 is read too.
struct MetaProperties {
    std::int32_t version = 1;
    std::optional<std::string> cluster_id;
    std::optional<std::int32_t> node_id;
    std::optional<Uuid> directory_id;

    bool operator==(const MetaProperties&) const = default;
    // `now` is the date line's. A comment holds a checksum of the keys.
    std::string to_text(Timestamp now) const;
    std::string properties() const;  // the keys alone
    // kafka_storage_error, naming the file and the key; also where the checksum is there and is
    // another one.
    static Result<MetaProperties> parse(std::string_view text, std::string_view name);
};

}  // namespace millrace::storage
