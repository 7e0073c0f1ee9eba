#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "base/time.h"

namespace millrace::storage::remote {

struct DirectorySettings {
    std::string path;  // directory.path

    bool operator==(const DirectorySettings&) const = default;
};

// Named as in Aiven's plugin for tiered storage, where that has the same setting.
struct S3Settings {
    std::string bucket;                  // s3.bucket.name
    std::string region;                  // s3.region
    std::string endpoint;                // s3.endpoint.url, SCHEME://HOST[:PORT]
    bool path_style = false;             // s3.path.style.access.enabled
    std::uint64_t part_size = 16 << 20;  // s3.multipart.upload.part.size
    Duration attempt_timeout;            // s3.api.call.attempt.timeout (ms); zero: none
    std::string storage_class;           // s3.storage.class; empty: the bucket's
    std::string prefix;                  // key.prefix; empty, or ends with '/'
    std::string ca_file;                 // s3.ca.file; empty: the system's
    std::string access_key_id;           // aws.access.key.id
    std::string secret_access_key;       // aws.secret.access.key
    std::string session_token;           // aws.session.token
    std::string credentials_file;        // aws.credentials.file, where the keys are not set
    std::string profile = "default";     // aws.profile

    bool uses_tls() const { return endpoint.starts_with("https://"); }
    bool operator==(const S3Settings&) const = default;
};

using StoreSettings = std::variant<DirectorySettings, S3Settings>;

// The value of an environment variable.
using Environment = std::function<std::optional<std::string>(std::string_view)>;

// What remote.log.storage.manager.class.name and the keys under its prefix (rsm.config., taken off)
// ask for. Keys of AWS that are not set come from its environment variables. invalid_config: names
// each wrong key with what it takes; never the value of a secret one.
Result<StoreSettings> parse_store_settings(
    std::string_view class_name, const std::map<std::string, std::string, std::less<>>& values,
    std::string_view prefix, const Environment& environment);

// One profile of AWS's shared credentials file. invalid_config naming the file, never what is in
// it.
struct Credentials {
    std::string access_key_id;
    std::string secret_access_key;
    std::string session_token;
};
Result<Credentials> parse_credentials(std::string_view text, std::string_view file,
                                      std::string_view profile);

}  // namespace millrace::storage::remote
