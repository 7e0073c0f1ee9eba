#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "storage/remote/store_settings.h"

namespace millrace::storage::s3 {

enum class Method : std::uint8_t { get, head, put, post, del };
std::string_view name_of(Method method);

struct Request {
    Method method = Method::get;
    std::string path;                  // from the bucket's root on, percent-encoded
    std::string query;                 // percent-encoded, sorted by name, each with its '='
    std::vector<std::string> headers;  // "name: value"
    Bytes body;                        // of put and post
    std::string range;                 // of get: "FIRST-LAST"
    std::uint64_t most_body = 0;       // bytes of an answer beyond which it is refused
    bool tidies_up = false;            // is sent even when the node stops, but not waited for long
};

struct Response {
    long status = 0;
    Buffer body;
    std::string etag;
    std::string content_range;
    std::string bucket_region;  // x-amz-bucket-region
    std::string request_id;     // x-amz-request-id
    std::uint64_t content_length = 0;
};

// An answer of any status, or why there was none.
struct NoAnswer {
    std::string reason;
    bool passing = false;  // another try may fare better
};
using Answer = std::expected<Response, NoAnswer>;

// Sends requests to one bucket, signed with AWS Signature Version 4, over connections that are
// kept. This is libcurl, which does its own I/O: blocking, on helper threads, several calls at
// once.
class Transport {
  public:
    explicit Transport(const remote::S3Settings& settings);
    ~Transport();

    Answer send(const Request& request, const remote::Credentials& credentials);
    // Returns early, with false, when stop() is called.
    bool pause(Duration duration);
    void stop() { stopped_ = true; }
    bool stopped() const { return stopped_; }
    // The URL of the bucket, for sentences.
    const std::string& bucket_url() const { return bucket_url_; }

  private:
    using Handle = void;  // CURL

    Handle* take();
    void give_back(Handle* handle);
    void prepare(Handle* handle, const Request& request, const remote::Credentials& credentials);

    remote::S3Settings settings_;
    std::string bucket_url_;
    std::string signature_;
    std::atomic<bool> stopped_{false};
    // Handles nobody uses, each with its connection; more than these are closed after use.
    static constexpr std::size_t most_idle = 32;
    std::array<std::atomic<Handle*>, most_idle> idle_{};
};

// As SigV4 wants it: everything but letters, digits and -._~.
std::string percent_encode(std::string_view text);

}  // namespace millrace::storage::s3
