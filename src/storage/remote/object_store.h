#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "storage/remote/object_source.h"

namespace millrace::storage::remote {

// Whole objects by name: where tiered storage keeps segments (KIP-405). A key is one or more names
// of [A-Za-z0-9._-] joined by '/', none of them "." or "..", at most 1,024 bytes; what a store puts
// before it (bucket and prefix, a directory) is its own affair and is in no key. No key is the
// folder of another.
//
// Calls block, on helper threads (env::lasting), several at once. An error names the object, what
// went wrong and the way out. kafka_storage_error: the store failed, after what tries it grants
// itself; invalid_request: the key is none.
class ObjectStore {
  public:
    virtual ~ObjectStore() = default;

    // Old or new, never half; replaces. Durable when it returns. After an error either is there.
    // `source` is read from its start to its end, and parts of it again on a retry.
    virtual Result<> put(std::string_view key, ObjectSource& source) = 0;
    // [offset, offset + size) of it, fewer at its end, nothing behind it. resource_not_found when
    // there is no such object.
    virtual Result<Buffer> get(std::string_view key, std::uint64_t offset, std::uint64_t size) = 0;
    // Fine when it is missing. Durable when it returns.
    virtual Result<> remove(std::string_view key) = 0;
    // The keys that begin with `prefix`, in byte order. What is being put is not among them.
    virtual Result<std::vector<std::string>> list(std::string_view prefix) = 0;
    // The node stops: calls under way end soon with an error, and so do later ones.
    virtual void stop() = 0;
};

// invalid_request when `key` is none.
Result<> check_key(std::string_view key);

}  // namespace millrace::storage::remote
