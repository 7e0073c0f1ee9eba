#include "storage/s3/s3_store.h"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <limits>
#include <openssl/evp.h>
#include <optional>

#include "base/crc32c.h"
#include "base/random.h"
#include "env/disk.h"
#include "storage/s3/retry.h"
#include "storage/text_lines.h"

namespace millrace::storage::s3 {
namespace {

constexpr std::uint64_t most_parts = 10'000;  // S3's own bound
constexpr std::uint64_t most_answer = 8 << 20;
constexpr std::size_t most_credentials = 1 << 20;
constexpr std::string_view nothing_sha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string sha256_hex(Bytes bytes) {
    std::array<unsigned char, 32> digest;
    CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) ==
          1);
    std::string hex;
    for (unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
    return hex;
}

std::string crc32c_base64(Bytes bytes) {
    std::array<std::uint8_t, 4> crc;
    store_be(crc.data(), crc32c(bytes));
    std::array<unsigned char, 9> text;
    int size = EVP_EncodeBlock(text.data(), crc.data(), crc.size());
    return {text.begin(), text.begin() + size};
}

// Where the first byte of "bytes 5-9/100" lies.
std::optional<std::uint64_t> first_of(std::string_view content_range) {
    constexpr std::string_view unit = "bytes ";
    if (!content_range.starts_with(unit)) return std::nullopt;
    content_range.remove_prefix(unit.size());
    return parse_number<std::uint64_t>(content_range.substr(0, content_range.find('-')));
}

// The server has the bucket, and not what was asked for in it. Anything else that comes with 404,
// or a 404 of something in between, is no such word.
bool is_missing(const Response& response) {
    if (response.status != 404) return false;
    std::string code = parse_complaint(response.body.view()).code;
    return code == "NoSuchKey" || code == "NoSuchUpload";
}

// What to do about an answer.
std::string_view way_out(long status, std::string_view code) {
    constexpr std::pair<std::string_view, std::string_view> by_code[] = {
        {"NoSuchBucket", "create the bucket, or correct s3.bucket.name"},
        {"NoSuchKey", "nobody put it, or somebody removed it"},
        {"InvalidAccessKeyId", "correct aws.access.key.id"},
        {"SignatureDoesNotMatch", "correct aws.secret.access.key and s3.region"},
        {"InvalidToken", "renew aws.session.token"},
        {"ExpiredToken", "renew the credentials"},
        {"RequestTimeTooSkewed", "set this machine's clock"},
        {"AccessDenied",
         "let these credentials read, write, list and delete in the bucket (s3:GetObject, "
         "s3:PutObject, s3:ListBucket, s3:DeleteObject, s3:AbortMultipartUpload)"},
        {"AuthorizationHeaderMalformed", "correct s3.region"},
        {"PermanentRedirect", "correct s3.region and s3.endpoint.url"},
        {"InvalidStorageClass", "correct s3.storage.class"},
    };
    for (auto [known, advice] : by_code) {
        if (known == code) return advice;
    }
    if (status == 401 || status == 403) return "check the credentials and what they may do";
    if (status >= 300 && status < 400) return "correct s3.region and s3.endpoint.url";
    if (may_pass(status, code)) return "it is tried again later; see how the server fares";
    return "check the settings of the store, and the server's log";
}

}  // namespace

std::string S3Store::path_of(std::string_view key) const {
    return fmt::format("/{}{}", settings_.prefix, key);
}

Result<remote::Credentials> S3Store::credentials() {
    if (settings_.credentials_file.empty()) {
        return remote::Credentials{.access_key_id = settings_.access_key_id,
                                   .secret_access_key = settings_.secret_access_key,
                                   .session_token = settings_.session_token};
    }
    // Whoever rotates credentials replaces the file.
    ASSIGN_OR_RETURN(std::string text,
                     env::read_file(disk_, settings_.credentials_file, most_credentials));
    return remote::parse_credentials(text, settings_.credentials_file, settings_.profile);
}

Error S3Store::error_of(const Call& call, std::string_view reason) const {
    return {ErrorCode::kafka_storage_error,
            fmt::format("{} of the {} in bucket {} failed, at attempt {}: {} does not answer as it "
                        "should: {}; check s3.endpoint.url and the way there",
                        name_of(call.request.method), call.subject, settings_.bucket, call.attempts,
                        transport_.bucket_url(), reason)};
}

Error S3Store::error_of(const Call& call, const Response& response) const {
    Complaint complaint = parse_complaint(response.body.view());
    if (complaint.region.empty()) complaint.region = response.bucket_region;
    std::string text = fmt::format(
        "{} of the {} in bucket {} failed, at attempt {}: {} answers with HTTP {}{}{}{}{}",
        name_of(call.request.method), call.subject, settings_.bucket, call.attempts,
        transport_.bucket_url(), response.status, complaint.code.empty() ? "" : " ", complaint.code,
        complaint.message.empty() ? "" : ", ", complaint.message);
    if (!complaint.region.empty() && complaint.region != settings_.region) {
        text += fmt::format(" (the bucket is in {})", complaint.region);
    }
    if (!response.request_id.empty()) text += fmt::format(" [request {}]", response.request_id);
    text += fmt::format("; {}", way_out(response.status, complaint.code));
    return {ErrorCode::kafka_storage_error, std::move(text)};
}

Result<Response> S3Store::send(Call& call) {
    Random random(seed_ ^ (calls_.fetch_add(1) * 0x9e3779b97f4a7c15U));
    for (;;) {
        ++call.attempts;
        ASSIGN_OR_RETURN(remote::Credentials keys, credentials());
        Answer answer = transport_.send(call.request, keys);
        Error error;
        bool again = false;
        if (!answer) {
            again = answer.error().passing;
            error = error_of(call, answer.error().reason);
        } else {
            bool good = answer->status >= 200 && answer->status < 300;
            bool complains =
                good && call.complains != nullptr && call.complains(answer->body.view());
            if (good && !complains) return *std::move(answer);
            if (std::ranges::count(call.taken, answer->status) > 0) return *std::move(answer);
            again =
                complains || may_pass(answer->status, parse_complaint(answer->body.view()).code);
            error = error_of(call, *answer);
        }
        if (!again || call.attempts == most_attempts ||
            !transport_.pause(pause_after(call.attempts, random))) {
            return fail(std::move(error));
        }
    }
}

std::string S3Store::add_checksums(Request& request, Bytes body) const {
    std::string crc = crc32c_base64(body);
    request.body = body;
    request.headers.push_back(fmt::format(
        "x-amz-content-sha256: {}", settings_.uses_tls() ? "UNSIGNED-PAYLOAD" : sha256_hex(body)));
    request.headers.push_back(fmt::format("x-amz-checksum-crc32c: {}", crc));
    return crc;
}

Result<> S3Store::put(std::string_view key, remote::ObjectSource& source) {
    RETURN_IF_ERROR(remote::check_key(key));
    if (source.size() <= settings_.part_size) return put_whole(key, source);
    return put_in_parts(key, source);
}

Result<> S3Store::put_whole(std::string_view key, remote::ObjectSource& source) {
    Buffer body;
    body.resize(source.size());
    RETURN_IF_ERROR(source.read(0, body.mutable_bytes()));
    Call call{.request = {.method = Method::put, .path = path_of(key), .most_body = most_answer},
              .subject = fmt::format("object {}", key)};
    add_checksums(call.request, body.bytes());
    if (!settings_.storage_class.empty()) {
        call.request.headers.push_back("x-amz-storage-class: " + settings_.storage_class);
    }
    RETURN_IF_ERROR(send(call));
    return {};
}

Result<> S3Store::put_in_parts(std::string_view key, remote::ObjectSource& source) {
    ASSIGN_OR_RETURN(std::string upload, begin_upload(key));
    auto parts = put_parts(key, source, upload);
    Result<> done = parts ? complete(key, source.size(), upload, *parts)
                          : Result<>(fail(std::move(parts).error()));
    if (!done) abort(key, upload);
    return done;
}

Result<std::string> S3Store::begin_upload(std::string_view key) {
    Call call{.request = {.method = Method::post,
                          .path = path_of(key),
                          .query = "uploads=",
                          .headers = {fmt::format("x-amz-content-sha256: {}", nothing_sha256),
                                      "x-amz-checksum-algorithm: CRC32C",
                                      "content-type: application/octet-stream"},
                          .most_body = most_answer},
              .subject = fmt::format("object {}", key)};
    if (!settings_.storage_class.empty()) {
        call.request.headers.push_back("x-amz-storage-class: " + settings_.storage_class);
    }
    ASSIGN_OR_RETURN(Response response, send(call));
    auto id = parse_upload_id(response.body.view());
    if (!id) return fail(error_of(call, id.error().message));
    return id;
}

Result<std::vector<Part>> S3Store::put_parts(std::string_view key, remote::ObjectSource& source,
                                             std::string_view upload) {
    std::uint64_t size = source.size();
    std::uint64_t part_size = std::max(settings_.part_size, (size + most_parts - 1) / most_parts);
    std::vector<Part> parts;
    Buffer body;
    for (std::uint64_t at = 0; at < size; at += body.size()) {
        body.resize(std::min(part_size, size - at));
        RETURN_IF_ERROR(source.read(at, body.mutable_bytes()));
        int number = static_cast<int>(parts.size()) + 1;
        Call call{.request = {.method = Method::put,
                              .path = path_of(key),
                              .query = fmt::format("partNumber={}&uploadId={}", number,
                                                   percent_encode(upload)),
                              .most_body = most_answer},
                  .subject = fmt::format("part {} of the object {}", number, key)};
        std::string crc = add_checksums(call.request, body.bytes());
        ASSIGN_OR_RETURN(Response response, send(call));
        if (response.etag.empty()) return fail(error_of(call, "the answer has no ETag"));
        parts.push_back({.number = number, .etag = response.etag, .crc32c = std::move(crc)});
    }
    return parts;
}

Result<> S3Store::complete(std::string_view key, std::uint64_t size, std::string_view upload,
                           const std::vector<Part>& parts) {
    std::string body = complete_upload(parts);
    Call call{.request = {.method = Method::post,
                          .path = path_of(key),
                          .query = fmt::format("uploadId={}", percent_encode(upload)),
                          .headers = {"content-type: application/xml"},
                          .most_body = most_answer},
              .subject = fmt::format("object {}", key),
              .taken = {404},
              .complains = &is_complaint};
    call.request.body = as_bytes(body);
    call.request.headers.push_back(
        fmt::format("x-amz-content-sha256: {}", sha256_hex(as_bytes(body))));
    ASSIGN_OR_RETURN(Response response, send(call));
    if (response.status != 404) return {};
    // There is no such upload any more: an attempt whose answer was lost may have completed it.
    Error error = error_of(call, response);
    if (call.attempts == 1 || !is_missing(response)) return fail(std::move(error));
    Call look{.request = {.method = Method::head,
                          .path = path_of(key),
                          .headers = {fmt::format("x-amz-content-sha256: {}", nothing_sha256)}},
              .subject = fmt::format("object {}", key),
              .taken = {404}};
    ASSIGN_OR_RETURN(Response found, send(look));
    if (found.status == 200 && found.content_length == size) return {};
    return fail(std::move(error));
}

void S3Store::abort(std::string_view key, std::string_view upload) {
    Call call{.request = {.method = Method::del,
                          .path = path_of(key),
                          .query = fmt::format("uploadId={}", percent_encode(upload)),
                          .headers = {fmt::format("x-amz-content-sha256: {}", nothing_sha256)},
                          .most_body = most_answer,
                          .tidies_up = true},
              .subject = fmt::format("object {}", key),
              .taken = {404}};
    // Where this fails too, the bucket's rule for incomplete uploads removes the parts.
    (void)send(call);
}

Result<Buffer> S3Store::get(std::string_view key, std::uint64_t offset, std::uint64_t size) {
    RETURN_IF_ERROR(remote::check_key(key));
    // A range has at least one byte.
    std::uint64_t most = std::max<std::uint64_t>(size, 1);
    constexpr std::uint64_t last_byte = std::numeric_limits<std::int64_t>::max();
    std::uint64_t last =
        most - 1 > last_byte - std::min(offset, last_byte) ? last_byte : offset + most - 1;
    Call call{.request = {.method = Method::get,
                          .path = path_of(key),
                          .headers = {fmt::format("x-amz-content-sha256: {}", nothing_sha256)},
                          .range = fmt::format("{}-{}", offset, last),
                          .most_body = most},
              .subject = fmt::format("object {}", key),
              .taken = {404, 416}};
    ASSIGN_OR_RETURN(Response response, send(call));
    if (response.status == 416) return Buffer();  // it ends before
    if (response.status == 404) {
        Error error = error_of(call, response);
        if (is_missing(response)) error.code = ErrorCode::resource_not_found;
        return fail(std::move(error));
    }
    bool whole = response.status == 200 && offset == 0;
    if (!whole && first_of(response.content_range) != offset) {
        return fail(error_of(call, "it sends another range than was asked for"));
    }
    if (size == 0) response.body.clear();
    return std::move(response.body);
}

Result<> S3Store::remove(std::string_view key) {
    RETURN_IF_ERROR(remote::check_key(key));
    Call call{.request = {.method = Method::del,
                          .path = path_of(key),
                          .headers = {fmt::format("x-amz-content-sha256: {}", nothing_sha256)},
                          .most_body = most_answer},
              .subject = fmt::format("object {}", key),
              .taken = {404}};
    ASSIGN_OR_RETURN(Response response, send(call));
    if (response.status == 404 && !is_missing(response)) return fail(error_of(call, response));
    return {};
}

Result<std::vector<std::string>> S3Store::list(std::string_view prefix) {
    std::vector<std::string> keys;
    std::string next;
    do {
        std::string query = next.empty()
                                ? std::string()
                                : fmt::format("continuation-token={}&", percent_encode(next));
        query += fmt::format("list-type=2&prefix={}",
                             percent_encode(settings_.prefix + std::string(prefix)));
        Call call{.request = {.method = Method::get,
                              .path = "/",
                              .query = std::move(query),
                              .headers = {fmt::format("x-amz-content-sha256: {}", nothing_sha256)},
                              .most_body = most_answer},
                  .subject = fmt::format("list of objects below '{}'", prefix)};
        ASSIGN_OR_RETURN(Response response, send(call));
        auto listing = parse_listing(response.body.view());
        if (!listing) return fail(error_of(call, listing.error().message));
        for (std::string_view key : listing->keys) {
            if (!key.starts_with(settings_.prefix)) continue;
            key.remove_prefix(settings_.prefix.size());
            // Whatever else people put there.
            if (key.starts_with(prefix) && remote::check_key(key)) keys.emplace_back(key);
        }
        if (listing->next == next) break;
        next = std::move(listing->next);
    } while (!next.empty());
    std::ranges::sort(keys);
    return keys;
}

}  // namespace millrace::storage::s3
