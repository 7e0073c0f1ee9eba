#include "storage/s3/transport.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <curl/curl.h>
#include <fmt/core.h>
#include <memory>
#include <optional>

#include "base/check.h"

namespace millrace::storage::s3 {
namespace {

constexpr long connect_seconds = 10;
constexpr long stalled_seconds = 30;
constexpr long tidying_milliseconds = 2'000;
constexpr long buffer_bytes = 512L << 10U;
constexpr std::uint64_t most_complaint = 64 << 10;
constexpr Duration pause_step = Duration::milliseconds(100);

struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, FreeList>;

// One request on its way: what libcurl's callbacks work on.
struct Exchange {
    const Request& request;
    const std::atomic<bool>& stopped;
    std::size_t sent = 0;
    bool too_much = false;
    Response response;
};

std::size_t read_body(char* into, std::size_t one, std::size_t count, void* of) {
    auto& exchange = *static_cast<Exchange*>(of);
    Bytes rest = exchange.request.body.subspan(exchange.sent);
    std::size_t size = std::min(rest.size(), one * count);
    if (size > 0) std::memcpy(into, rest.data(), size);
    exchange.sent += size;
    return size;
}

// A connection that was kept may turn out to be dead: then the body is sent again.
int seek_body(void* of, curl_off_t offset, int origin) {
    auto& exchange = *static_cast<Exchange*>(of);
    if (origin != SEEK_SET || offset < 0 ||
        static_cast<std::size_t>(offset) > exchange.request.body.size()) {
        return CURL_SEEKFUNC_FAIL;
    }
    exchange.sent = static_cast<std::size_t>(offset);
    return CURL_SEEKFUNC_OK;
}

std::size_t take_body(char* bytes, std::size_t one, std::size_t count, void* of) {
    auto& exchange = *static_cast<Exchange*>(of);
    Response& response = exchange.response;
    std::size_t size = one * count;
    std::uint64_t most = response.status < 300 ? exchange.request.most_body : most_complaint;
    if (response.body.size() + size > most) {
        exchange.too_much = true;
        return 0;
    }
    if (response.body.empty()) {
        response.body.reserve(std::min(response.content_length, most));
    }
    response.body.append(as_bytes({bytes, size}));
    return size;
}

bool starts_with_name(std::string_view line, std::string_view name) {
    return line.size() > name.size() && line[name.size()] == ':' &&
           std::ranges::equal(line.substr(0, name.size()), name, [](char a, char b) {
               return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
           });
}

std::optional<std::string_view> value_of(std::string_view line, std::string_view name) {
    if (!starts_with_name(line, name)) return std::nullopt;
    line.remove_prefix(name.size() + 1);
    constexpr std::string_view blanks = " \t\r\n";
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    return line.substr(0, line.find_last_not_of(blanks) + 1);
}

std::size_t take_header(char* bytes, std::size_t one, std::size_t count, void* of) {
    Response& response = static_cast<Exchange*>(of)->response;
    std::string_view line(bytes, one * count);
    if (line.starts_with("HTTP/")) {  // once more behind 100 Continue
        response = {};
        std::size_t blank = std::min(line.find(' ') + 1, line.size());
        std::from_chars(line.data() + blank, line.data() + line.size(), response.status);
    }
    for (auto [name, field] : {std::pair{"etag", &response.etag},
                               {"content-range", &response.content_range},
                               {"x-amz-bucket-region", &response.bucket_region},
                               {"x-amz-request-id", &response.request_id}}) {
        if (auto value = value_of(line, name)) *field = *value;
    }
    if (auto value = value_of(line, "content-length")) {
        std::from_chars(value->data(), value->data() + value->size(), response.content_length);
    }
    return line.size();
}

int go_on(void* of, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& exchange = *static_cast<Exchange*>(of);
    return exchange.stopped && !exchange.request.tidies_up ? 1 : 0;
}

// Whether the network or the server may do better the next time.
bool passes(CURLcode code) {
    switch (code) {
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_URL_MALFORMAT:
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_WRITE_ERROR:
        case CURLE_ABORTED_BY_CALLBACK:
            return false;
        default:
            return true;
    }
}

std::string url_of(const remote::S3Settings& settings) {
    if (settings.path_style) return fmt::format("{}/{}", settings.endpoint, settings.bucket);
    std::size_t host = settings.endpoint.find("://") + 3;
    return fmt::format("{}{}.{}", settings.endpoint.substr(0, host), settings.bucket,
                       settings.endpoint.substr(host));
}

template <typename Value>
void set(CURL* handle, CURLoption option, Value value) {
    CHECK(curl_easy_setopt(handle, option, value) == CURLE_OK);
}

}  // namespace

std::string_view name_of(Method method) {
    constexpr std::string_view names[] = {"GET", "HEAD", "PUT", "POST", "DELETE"};
    return names[static_cast<std::size_t>(method)];
}

std::string percent_encode(std::string_view text) {
    std::string out;
    for (char c : text) {
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     std::string_view("-._~").contains(c);
        if (plain) {
            out += c;
        } else {
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

Transport::Transport(const remote::S3Settings& settings)
    : settings_(settings),
      bucket_url_(url_of(settings)),
      signature_(fmt::format("aws:amz:{}:s3", settings.region)) {
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);  // counted
}

Transport::~Transport() {
    for (auto& place : idle_) {
        if (Handle* handle = place.exchange(nullptr)) curl_easy_cleanup(handle);
    }
    curl_global_cleanup();
}

Transport::Handle* Transport::take() {
    for (auto& place : idle_) {
        if (Handle* handle = place.exchange(nullptr)) return handle;
    }
    CURL* handle = curl_easy_init();
    CHECK(handle != nullptr);
    return handle;
}

void Transport::give_back(Handle* handle) {
    for (auto& place : idle_) {
        Handle* none = nullptr;
        if (place.compare_exchange_strong(none, handle)) return;
    }
    curl_easy_cleanup(handle);
}

void Transport::prepare(Handle* handle, const Request& request,
                        const remote::Credentials& credentials) {
    curl_easy_reset(handle);  // connections stay
    set(handle, CURLOPT_NOSIGNAL, 1L);
    set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    set(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(handle, CURLOPT_PATH_AS_IS, 1L);
    set(handle, CURLOPT_CONNECTTIMEOUT, connect_seconds);
    set(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(handle, CURLOPT_LOW_SPEED_TIME, stalled_seconds);
    set(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(settings_.attempt_timeout.ms()));
    set(handle, CURLOPT_BUFFERSIZE, buffer_bytes);
    set(handle, CURLOPT_UPLOAD_BUFFERSIZE, buffer_bytes);
    set(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    if (!settings_.ca_file.empty()) set(handle, CURLOPT_CAINFO, settings_.ca_file.c_str());

    std::string url = fmt::format("{}{}{}{}", bucket_url_, request.path,
                                  request.query.empty() ? "" : "?", request.query);
    set(handle, CURLOPT_URL, url.c_str());
    set(handle, CURLOPT_AWS_SIGV4, signature_.c_str());
    set(handle, CURLOPT_USERNAME, credentials.access_key_id.c_str());
    set(handle, CURLOPT_PASSWORD, credentials.secret_access_key.c_str());
    switch (request.method) {
        case Method::get:
            break;
        case Method::head:
            set(handle, CURLOPT_NOBODY, 1L);
            break;
        case Method::del:
            set(handle, CURLOPT_CUSTOMREQUEST, "DELETE");
            break;
        case Method::put:
            set(handle, CURLOPT_UPLOAD, 1L);
            set(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
            break;
        case Method::post:
            set(handle, CURLOPT_POST, 1L);
            set(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
            break;
    }
    if (!request.range.empty()) set(handle, CURLOPT_RANGE, request.range.c_str());
}

Answer Transport::send(const Request& request, const remote::Credentials& credentials) {
    if (stopped_ && !request.tidies_up) {
        return std::unexpected(NoAnswer{.reason = "the node stops"});
    }
    CURL* handle = take();
    prepare(handle, request, credentials);
    if (stopped_) set(handle, CURLOPT_TIMEOUT_MS, tidying_milliseconds);
    Headers headers;
    auto add = [&](const std::string& line) {
        curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
        CHECK(longer != nullptr);
        (void)headers.release();
        headers.reset(longer);
    };
    for (const std::string& line : request.headers) add(line);
    if (!credentials.session_token.empty()) {
        add("x-amz-security-token: " + credentials.session_token);
    }
    set(handle, CURLOPT_HTTPHEADER, headers.get());

    Exchange exchange{.request = request, .stopped = stopped_, .response = {}};
    char reason[CURL_ERROR_SIZE] = "";
    set(handle, CURLOPT_ERRORBUFFER, &reason[0]);
    set(handle, CURLOPT_READFUNCTION, &read_body);
    set(handle, CURLOPT_READDATA, &exchange);
    set(handle, CURLOPT_SEEKFUNCTION, &seek_body);
    set(handle, CURLOPT_SEEKDATA, &exchange);
    set(handle, CURLOPT_WRITEFUNCTION, &take_body);
    set(handle, CURLOPT_WRITEDATA, &exchange);
    set(handle, CURLOPT_HEADERFUNCTION, &take_header);
    set(handle, CURLOPT_HEADERDATA, &exchange);
    set(handle, CURLOPT_NOPROGRESS, 0L);
    set(handle, CURLOPT_XFERINFOFUNCTION, &go_on);
    set(handle, CURLOPT_XFERINFODATA, &exchange);
    CURLcode code = curl_easy_perform(handle);
    set(handle, CURLOPT_ERRORBUFFER, static_cast<char*>(nullptr));
    give_back(handle);

    if (code == CURLE_OK) return std::move(exchange.response);
    if (stopped_) return std::unexpected(NoAnswer{.reason = "the node stops"});
    if (exchange.too_much) {
        return std::unexpected(
            NoAnswer{.reason = "it answers with more bytes than were asked for"});
    }
    return std::unexpected(NoAnswer{.reason = reason[0] != 0 ? reason : curl_easy_strerror(code),
                                    .passing = passes(code)});
}

bool Transport::pause(Duration duration) {
    CURLM* none = curl_multi_init();
    CHECK(none != nullptr);
    while (duration > Duration() && !stopped_) {
        Duration step = std::min(duration, pause_step);
        curl_multi_poll(none, nullptr, 0, static_cast<int>(step.ms()) + 1, nullptr);
        duration = duration - step;
    }
    curl_multi_cleanup(none);
    return !stopped_;
}

}  // namespace millrace::storage::s3
