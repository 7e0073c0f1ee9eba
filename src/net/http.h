#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/scope.h"
#include "env/network.h"
#include "env/shard.h"

namespace millrace::net {

struct HttpResponse {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
};

// A small HTTP/1.1 server for what operators' tools read (/metrics). GET and HEAD only, no body is
// taken, headers are bounded; connections are kept alive. Lives on one shard.
class HttpServer {
  public:
    // Answers the path of a request (without its query).
    using Answer = std::function<Task<HttpResponse>(std::string_view path)>;

    HttpServer(env::Shard& shard, Answer answer)
        : shard_(shard), answer_(std::move(answer)), scope_(shard) {}

    Result<env::Address> listen(const env::Address& address);
    Task<void> stop();

  private:
    Task<void> accept_all(env::Listener& listener);
    Task<void> serve(std::unique_ptr<env::Connection> connection);

    env::Shard& shard_;
    Answer answer_;
    Scope scope_;
    std::vector<std::unique_ptr<env::Listener>> listeners_;
    std::size_t open_ = 0;
};

}  // namespace millrace::net
