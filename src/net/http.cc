#include "net/http.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <fmt/core.h>

#include "net/log.h"

namespace millrace::net {
namespace {

namespace http = boost::beast::http;
using Parser = http::request_parser<http::empty_body>;

constexpr std::size_t most_header_bytes = 8192;
constexpr std::size_t most_connections = 100;
constexpr Duration most_idle = Duration::seconds(60);

std::string_view reason_of(int status) {
    auto reason = http::obsolete_reason(static_cast<http::status>(status));
    return {reason.data(), reason.size()};
}

Slice format(const HttpResponse& response, bool head, bool keep_alive) {
    return Slice::copy(fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {}\r\n\r\n{}",
        response.status, reason_of(response.status), response.content_type, response.body.size(),
        keep_alive ? "keep-alive" : "close", head ? std::string_view() : response.body));
}

// Reads one request's header. False when the peer has gone or sends no HTTP.
Task<bool> read_header(env::Connection& connection, Buffer& buffer, Parser& parser) {
    parser.header_limit(most_header_bytes);
    for (;;) {
        if (!buffer.empty()) {
            boost::system::error_code error;
            std::size_t used = parser.put(boost::asio::buffer(buffer.data(), buffer.size()), error);
            Slice rest = std::exchange(buffer, Buffer()).freeze();
            buffer.append(rest.bytes().subspan(used));
            if (parser.is_header_done()) co_return true;
            if (error && error != http::error::need_more) co_return false;
        }
        std::size_t filled = buffer.size();
        buffer.resize(filled + 1024);
        Result<std::size_t> count =
            co_await connection.read(buffer.mutable_bytes().subspan(filled));
        buffer.resize(filled + count.value_or(0));
        if (!count || *count == 0) co_return false;
    }
}

std::string_view path_of(const Parser& parser) {
    auto target = parser.get().target();
    std::string_view path(target.data(), target.size());
    return path.substr(0, path.find('?'));
}

}  // namespace

Result<env::Address> HttpServer::listen(const env::Address& address) {
    ASSIGN_OR_RETURN(std::unique_ptr<env::Listener> listener, shard_.network().listen(address));
    env::Address bound = listener->local();
    scope_.spawn(accept_all(*listener));
    listeners_.push_back(std::move(listener));
    return bound;
}

Task<void> HttpServer::stop() {
    co_await scope_.close();
    listeners_.clear();
}

Task<void> HttpServer::accept_all(env::Listener& listener) {
    for (;;) {
        Result<std::unique_ptr<env::Connection>> connection = co_await listener.accept();
        if (!connection) {
            LOG_WARN("cannot accept on {}: {}", listener.local().to_string(),
                     connection.error().message);
            co_await env::sleep_for(shard_, Duration::milliseconds(100));
        } else if (open_ < most_connections) {
            scope_.spawn(serve(std::move(*connection)));
        }
    }
}

Task<void> HttpServer::serve(std::unique_ptr<env::Connection> connection) {
    struct Count {
        explicit Count(std::size_t& n) : open(n) { ++open; }
        ~Count() { --open; }
        std::size_t& open;
    } counted(open_);
    Buffer buffer;
    for (bool keep_alive = true; keep_alive;) {
        Parser parser;
        auto got = co_await env::with_deadline(shard_, shard_.now() + most_idle,
                                               read_header(*connection, buffer, parser));
        if (!got || !*got) co_return;
        HttpResponse response;
        http::verb method = parser.get().method();
        bool readable = method == http::verb::get || method == http::verb::head;
        if (readable) {
            response = co_await answer_(path_of(parser));
        } else {
            response = {.status = 405, .body = "Only GET and HEAD are answered here.\n"};
        }
        keep_alive = readable && parser.keep_alive();
        Result<> written =
            co_await connection->write(format(response, method == http::verb::head, keep_alive));
        if (!written) co_return;
    }
}

}  // namespace millrace::net
