#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/chain.h"
#include "base/condition.h"
#include "base/result.h"
#include "base/scope.h"
#include "base/time.h"
#include "env/network.h"
#include "env/shard.h"
#include "net/receive_buffer.h"
#include "protocol/api_versions.h"
#include "protocol/frame.h"
#include "tls/stream.h"

namespace millrace::client {

struct ConnectionOptions {
    std::string client_id;
    std::shared_ptr<const tls::Profile> tls;           // null: plaintext
    Duration setup_timeout = Duration::seconds(10);    // TCP, TLS and ApiVersions together
    Duration request_timeout = Duration::seconds(30);  // from send() to the answer
    Duration max_idle = Duration::seconds(540);        // then it closes
    // Of requests that are not answered yet: past it the next ones wait for their turn.
    std::size_t max_unanswered_bytes = 128 << 20;
};

struct CallOptions {
    Duration timeout;  // zero: request.timeout.ms
    // The highest version to use, for a request that means another thing from the next one on.
    std::int16_t max_version = std::numeric_limits<std::int16_t>::max();
};

// A response, the version it came in, and the receive buffer that its views point into: copy what
// is to live longer than the reply.
template <typename Response>
struct Reply {
    Response response;
    std::int16_t version = 0;
    Slice keep;
};

// One connection to a broker. Requests leave in the order in which call() was awaited, any number
// at a time; answers find their request by correlation id. When one is not answered in time, or
// the peer breaks the protocol, the connection ends and with it every request that waits:
// REQUEST_TIMED_OUT for the late one, NETWORK_EXCEPTION for the others; SASL_AUTHENTICATION_FAILED
// where the two sides do not accept each other.
class BrokerConnection : public std::enable_shared_from_this<BrokerConnection> {
  public:
    // Connects and learns the peer's API versions. `name` is what errors call the peer, "broker 2";
    // the reader and the writer of the connection run in `scope`, whose end ends the connection.
    static Task<Result<std::shared_ptr<BrokerConnection>>> open(env::Shard& shard, Scope& scope,
                                                                std::string name,
                                                                env::Address address,
                                                                ConnectionOptions options);
    BrokerConnection(env::Shard& shard, std::string name, env::Address address,
                     ConnectionOptions options, std::unique_ptr<env::Connection> connection);
    ~BrokerConnection();

    // "broker 2 at host:9092"
    const std::string& name() const { return name_; }
    const env::Address& address() const { return address_; }
    bool is_open() const { return !ended_; }
    std::size_t unanswered() const { return unanswered_.size(); }
    const ApiVersionsResponse& versions() const { return versions_; }

    // The highest version that both sides have. Error UNSUPPORTED_VERSION with what each has.
    Result<std::int16_t> version_of(ApiKey key, std::int16_t max_version) const;
    Result<std::int16_t> version_of(ApiKey key) const {
        return version_of(key, CallOptions{}.max_version);
    }

    // Sends a request (any generated one) and waits for its answer. It is encoded before this
    // returns, so it need not live on. Cancelling gives up the answer, not the connection.
    template <typename Request>
    Task<Result<Reply<typename Request::Response>>> call(const Request& request,
                                                         CallOptions options = {}) {
        return receive<typename Request::Response>(shared_from_this(), encode(request, options),
                                                   Request::api_key, timeout_of(options));
    }
    // Sends a request that is not answered (a produce with acks=0) and waits until it is with the
    // system.
    template <typename Request>
    Task<Result<>> send(const Request& request, CallOptions options = {}) {
        return send_unanswered(shared_from_this(), encode(request, options), Request::api_key,
                               timeout_of(options));
    }

    // Ends it at once; requests that wait fail with `reason`.
    void close(std::string reason);

  private:
    struct Encoded {
        Chain bytes;
        std::int32_t correlation_id = 0;
        std::int16_t version = 0;
    };
    // A request on its way: in outbox_ until it is written, in unanswered_ from admission on.
    class Exchange;
    struct VersionRange {
        std::int16_t min = 0;
        std::int16_t max = -1;  // below min: the peer does not know the API
    };
    struct Unanswered {
        std::int32_t correlation_id = 0;
        std::size_t bytes = 0;
        ApiKey key = ApiKey::produce;
        std::int16_t version = 0;
        Time deadline;
        Exchange* waiting = nullptr;  // none: its caller has given up
    };
    struct Outgoing {
        Chain bytes;
        bool answered = true;
        Time deadline;
        Exchange* waiting = nullptr;  // until it is written, for one that is not answered
    };
    class Alarm final : public env::Timer {
      public:
        explicit Alarm(BrokerConnection& connection) : connection_(connection) {}
        void fire() override { connection_.on_alarm(); }

      private:
        BrokerConnection& connection_;
    };

    template <typename Request>
    Result<Encoded> encode(const Request& request, const CallOptions& options) {
        ASSIGN_OR_RETURN(std::int16_t version, version_of(Request::api_key, options.max_version));
        std::int32_t id = next_correlation_id_++;
        ASSIGN_OR_RETURN(Chain bytes, encode_request(id, options_.client_id, version, request));
        return Encoded{std::move(bytes), id, version};
    }
    template <typename Response>
    static Task<Result<Reply<Response>>> receive(std::shared_ptr<BrokerConnection> self,
                                                 Result<Encoded> request, ApiKey key,
                                                 Duration timeout) {
        CO_RETURN_IF_ERROR(request);
        std::int16_t version = request->version;
        ASSIGN_OR_CO_RETURN(Slice body,
                            co_await self->exchange(*std::move(request), key, timeout, true));
        Reader reader(body);
        Result<Response> response = Response::decode(reader, version);
        if (!response) co_return fail(self->undecodable(key, version, response.error()));
        co_return Reply<Response>{*std::move(response), version, std::move(body)};
    }
    static Task<Result<>> send_unanswered(std::shared_ptr<BrokerConnection> self,
                                          Result<Encoded> request, ApiKey key, Duration timeout);

    Duration timeout_of(const CallOptions& options) const {
        return options.timeout == Duration() ? options_.request_timeout : options.timeout;
    }
    // Waits for the turn, sends, and gives the bytes behind the response's header.
    Task<Result<Slice>> exchange(Encoded request, ApiKey key, Duration timeout, bool answered);
    bool has_room(std::size_t bytes) const;
    Task<void> await_turn(std::size_t bytes);
    void release(std::size_t bytes);
    Task<Result<>> authenticate();
    Task<Result<>> negotiate();
    Task<Result<Slice>> ask_versions(std::int16_t version);
    void keep_versions(ApiVersionsResponse versions);
    Error undecodable(ApiKey key, std::int16_t version, const Error& error);
    Error unanswered_error(ErrorCode code, ApiKey key, std::string_view reason) const;

    Task<void> read_answers(std::shared_ptr<BrokerConnection> self);
    Task<void> write_requests(std::shared_ptr<BrokerConnection> self);
    bool take_frames(net::ReceiveBuffer& buffer);
    bool take_answer(const Slice& frame);
    static void answer(Exchange& waiting, Slice body);
    std::string foreign_peer(Bytes first) const;
    void wake_at(Time time);
    void on_alarm();
    void end(std::string reason, ErrorCode code = ErrorCode::network_exception);

    env::Shard& shard_;
    std::string name_;
    env::Address address_;
    ConnectionOptions options_;
    std::unique_ptr<env::Connection> connection_;
    std::optional<tls::Stream> tls_;
    ApiVersionsResponse versions_;
    std::vector<VersionRange> peer_ranges_;  // by API key
    bool negotiated_ = false;
    std::int32_t next_correlation_id_ = 0;
    std::deque<Unanswered> unanswered_;  // in order of sending, which is that of answers
    std::deque<Outgoing> outbox_;        // those being written, then those to be written
    std::size_t held_bytes_ = 0;         // of requests in either
    std::deque<const void*> turns_;      // who waits for room, first come first served
    Condition room_;
    Condition outgoing_;
    Time last_activity_;
    Alarm alarm_{*this};
    bool ended_ = false;
    std::string end_reason_;
    ErrorCode end_code_ = ErrorCode::network_exception;
};

}  // namespace millrace::client
