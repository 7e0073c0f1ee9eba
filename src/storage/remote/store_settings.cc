#include "storage/remote/store_settings.h"

#include <algorithm>
#include <fmt/core.h>
#include <vector>

#include "base/edit_distance.h"
#include "storage/text_lines.h"

namespace millrace::storage::remote {
namespace {

constexpr std::uint64_t least_part = 5 << 20;     // S3's own bound
constexpr std::uint64_t most_part = 512U << 20U;  // one is held in memory by each upload
constexpr std::int64_t least_timeout_ms = 1000;
constexpr std::int64_t most_timeout_ms = 3'600'000;

using Values = std::map<std::string, std::string, std::less<>>;

bool only(std::string_view text, std::string_view extra) {
    return std::ranges::all_of(text, [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               extra.contains(c);
    });
}

// Takes texts by key; what is wrong, and what nobody took, is told at the end.
class Taker {
  public:
    Taker(const Values& values, std::string_view prefix) : values_(values), prefix_(prefix) {}

    std::optional<std::string> text(std::string_view key) {
        known_.emplace_back(key);
        auto at = values_.find(key);
        if (at == values_.end()) return std::nullopt;
        if (at->second.empty()) wrong(key, "is empty: give it a value or leave it out");
        return at->second;
    }
    std::string required(std::string_view key, std::string_view what) {
        auto value = text(key);
        if (!value) wrong(key, fmt::format("is not set: it takes {}", what));
        return value.value_or("");
    }
    // `check` says whether a value is one of `what`.
    template <typename Check>
    std::string checked(std::string_view key, std::string_view what, Check check,
                        std::string otherwise) {
        auto value = text(key);
        if (value && !check(*value)) {
            wrong(key, fmt::format("is '{}': it takes {}", *value, what));
        }
        return value.value_or(std::move(otherwise));
    }
    std::int64_t number(std::string_view key, std::int64_t least, std::int64_t most,
                        std::int64_t otherwise) {
        auto value = text(key);
        if (!value) return otherwise;
        auto parsed = parse_number<std::int64_t>(*value);
        if (parsed && *parsed >= least && *parsed <= most) return *parsed;
        wrong(key, fmt::format("is '{}': it takes a number from {} to {}", *value, least, most));
        return otherwise;
    }
    bool boolean(std::string_view key, bool otherwise) {
        auto value = text(key);
        if (!value) return otherwise;
        if (*value != "true" && *value != "false") {
            wrong(key, fmt::format("is '{}': it takes true or false", *value));
        }
        return *value == "true";
    }
    void wrong(std::string_view key, std::string_view what) {
        errors_ += fmt::format("{}{}{} {}", errors_.empty() ? "" : "\n", prefix_, key, what);
    }

    Result<> finish(std::string_view store) {
        for (const auto& [key, value] : values_) {
            if (std::ranges::count(known_, key) > 0) continue;
            auto near = std::ranges::min_element(known_, {}, [&](const std::string& known) {
                return edit_distance(known, key, 100);
            });
            wrong(key, fmt::format("is no setting of the {} store; did you mean {}{}?", store,
                                   prefix_, *near));
        }
        if (errors_.empty()) return {};
        return fail(ErrorCode::invalid_config, errors_);
    }

  private:
    const Values& values_;
    std::string_view prefix_;
    std::vector<std::string> known_;
    std::string errors_;
};

bool is_endpoint(std::string_view url) {
    for (std::string_view scheme : {"http://", "https://"}) {
        if (!url.starts_with(scheme)) continue;
        url.remove_prefix(scheme.size());
        return !url.empty() && only(url, ".-:[]");
    }
    return false;
}

// Names that are one label of a domain and no more; others go into the path.
bool is_host_label(std::string_view bucket) {
    return only(bucket, "-") &&
           std::ranges::none_of(bucket, [](char c) { return c >= 'A' && c <= 'Z'; });
}

void take_credentials(Taker& taker, const Environment& environment, S3Settings& settings) {
    auto take = [&](std::string_view key) { return taker.text(key).value_or(""); };
    settings.access_key_id = take("aws.access.key.id");
    settings.secret_access_key = take("aws.secret.access.key");
    settings.session_token = take("aws.session.token");
    settings.credentials_file = take("aws.credentials.file");
    if (settings.access_key_id.empty() != settings.secret_access_key.empty()) {
        taker.wrong("aws.access.key.id", "and aws.secret.access.key go together: set both");
    }
    if (!settings.access_key_id.empty() && !settings.credentials_file.empty()) {
        taker.wrong("aws.credentials.file", "and aws.access.key.id exclude each other: set one");
    }
    auto variable = [&](std::string_view name) { return environment(name).value_or(""); };
    settings.profile = taker.text("aws.profile").value_or(variable("AWS_PROFILE"));
    if (settings.profile.empty()) settings.profile = "default";
    if (!settings.access_key_id.empty() || !settings.credentials_file.empty()) return;
    settings.access_key_id = variable("AWS_ACCESS_KEY_ID");
    settings.secret_access_key = variable("AWS_SECRET_ACCESS_KEY");
    settings.session_token = variable("AWS_SESSION_TOKEN");
    if (!settings.access_key_id.empty() && !settings.secret_access_key.empty()) return;
    settings.access_key_id.clear();
    settings.credentials_file = variable("AWS_SHARED_CREDENTIALS_FILE");
    if (settings.credentials_file.empty() && !variable("HOME").empty()) {
        settings.credentials_file = variable("HOME") + "/.aws/credentials";
    }
    if (settings.credentials_file.empty()) {
        taker.wrong("aws.access.key.id",
                    "is not set: set it with aws.secret.access.key, or aws.credentials.file, or "
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment");
    }
}

Result<StoreSettings> parse_s3(Taker& taker, const Environment& environment) {
    S3Settings settings;
    settings.bucket = taker.required("s3.bucket.name", "the name of a bucket");
    if (!settings.bucket.empty() &&
        (!only(settings.bucket, ".-_") || settings.bucket.starts_with('.'))) {
        taker.wrong("s3.bucket.name",
                    fmt::format("is '{}': it takes the name of a bucket, letters, "
                                "digits, dots and hyphens",
                                settings.bucket));
    }
    settings.endpoint = taker.checked("s3.endpoint.url",
                                      "http://HOST[:PORT] or https://HOST[:PORT]", is_endpoint, "");
    std::string region = environment("AWS_REGION").value_or("");
    if (region.empty() && !settings.endpoint.empty()) region = "us-east-1";
    settings.region = taker.checked(
        "s3.region", "the name of a region, like eu-central-1",
        [](std::string_view name) { return name.size() <= 64 && only(name, "-_"); }, region);
    if (settings.region.empty()) {
        taker.wrong("s3.region", "is not set: it takes the region of the bucket");
    }
    bool own_endpoint = !settings.endpoint.empty();
    settings.path_style = taker.boolean("s3.path.style.access.enabled",
                                        own_endpoint || !is_host_label(settings.bucket));
    if (!own_endpoint) {
        settings.endpoint = fmt::format("https://s3.{}.amazonaws.com{}", settings.region,
                                        settings.region.starts_with("cn-") ? ".cn" : "");
    }
    settings.part_size = static_cast<std::uint64_t>(
        taker.number("s3.multipart.upload.part.size", least_part, most_part,
                     static_cast<std::int64_t>(settings.part_size)));
    settings.attempt_timeout = Duration::milliseconds(
        taker.number("s3.api.call.attempt.timeout", least_timeout_ms, most_timeout_ms, 0));
    settings.storage_class = taker.checked(
        "s3.storage.class", "a storage class of S3, like STANDARD_IA",
        [](std::string_view name) { return only(name, "_"); }, "");
    settings.prefix = taker.checked(
        "key.prefix", "names of letters, digits, dots, underscores and hyphens, joined by slashes",
        [](std::string_view text) {
            return text.size() <= 200 && only(text, "._-/") && !text.starts_with('/') &&
                   !text.contains("//") && !("/" + std::string(text) + "/").contains("/../") &&
                   !("/" + std::string(text) + "/").contains("/./");
        },
        "");
    if (!settings.prefix.empty() && !settings.prefix.ends_with('/')) settings.prefix += '/';
    settings.ca_file = taker.text("s3.ca.file").value_or("");
    take_credentials(taker, environment, settings);
    RETURN_IF_ERROR(taker.finish("s3"));
    return settings;
}

}  // namespace

Result<StoreSettings> parse_store_settings(std::string_view class_name, const Values& values,
                                           std::string_view prefix,
                                           const Environment& environment) {
    Taker taker(values, prefix);
    if (class_name == "s3") return parse_s3(taker, environment);
    if (class_name == "directory") {
        DirectorySettings settings{
            .path = taker.required("directory.path", "a directory that every broker mounts")};
        while (settings.path.size() > 1 && settings.path.ends_with('/')) settings.path.pop_back();
        RETURN_IF_ERROR(taker.finish("directory"));
        return settings;
    }
    return fail(ErrorCode::invalid_config,
                fmt::format("remote.log.storage.manager.class.name is '{}': it takes s3 or "
                            "directory, which are built in, with their settings under {} "
                            "(docs/tiered-storage.md); classes of Java cannot be loaded",
                            class_name, prefix));
}

Result<Credentials> parse_credentials(std::string_view text, std::string_view file,
                                      std::string_view profile) {
    Credentials found;
    bool inside = false;
    constexpr std::string_view blanks = " \t\r";
    auto trim = [&](std::string_view part) {
        std::size_t begin = std::min(part.find_first_not_of(blanks), part.size());
        part.remove_prefix(begin);
        return part.substr(0, part.find_last_not_of(blanks) + 1);
    };
    while (!text.empty()) {
        std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = trim(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.starts_with('#') || line.starts_with(';')) continue;
        if (line.starts_with('[')) {
            std::size_t close = line.find(']');
            inside = close != std::string_view::npos && trim(line.substr(1, close - 1)) == profile;
            continue;
        }
        std::size_t equals = line.find('=');
        if (!inside || equals == std::string_view::npos) continue;
        std::string_view key = trim(line.substr(0, equals));
        std::string_view value = trim(line.substr(equals + 1));
        if (key == "aws_access_key_id") found.access_key_id = value;
        if (key == "aws_secret_access_key") found.secret_access_key = value;
        if (key == "aws_session_token") found.session_token = value;
    }
    if (!found.access_key_id.empty() && !found.secret_access_key.empty()) return found;
    return fail(ErrorCode::invalid_config,
                fmt::format("{} has no aws_access_key_id and aws_secret_access_key in its section "
                            "[{}]: add them, or name another section by aws.profile",
                            file, profile));
}

}  // namespace millrace::storage::remote
