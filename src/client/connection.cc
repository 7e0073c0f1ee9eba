#include "client/connection.h"

#include <algorithm>
#include <fmt/core.h>

#include "client/log.h"
#include "client/software.h"
#include "protocol/api.h"

namespace millrace::client {
namespace {

std::string_view name_of_api(ApiKey key) {
    const ApiInfo* api = find_api(key);
    return api == nullptr ? "a request" : api->name;
}

std::string in_words(std::int16_t low, std::int16_t high) {
    return low == high ? fmt::format("version {}", low) : fmt::format("versions {}-{}", low, high);
}

}  // namespace

// The wait of one request: admitted, in the outbox and, when it is answered, in unanswered_.
class BrokerConnection::Exchange final : public Wait {
  public:
    Exchange(BrokerConnection& connection, Encoded request, ApiKey key, Duration timeout,
             bool answered)
        : connection_(connection),
          request_(std::move(request)),
          key_(key),
          deadline_(connection.shard_.now() + timeout),
          answered_(answered) {}
    Result<Slice> await_resume() {
        throw_if_cancelled();
        return std::move(result_);
    }

    ApiKey key() const { return key_; }
    void finish(Result<Slice> result) {
        result_ = std::move(result);
        complete();
    }

  private:
    bool start() override {
        BrokerConnection& c = connection_;
        if (c.ended_) {
            result_ = fail(c.unanswered_error(c.end_code_, key_, c.end_reason_));
            return false;
        }
        std::size_t size = request_.bytes.size();
        c.held_bytes_ += size;
        c.last_activity_ = c.shard_.now();
        if (answered_) {
            c.unanswered_.push_back({.correlation_id = request_.correlation_id,
                                     .bytes = size,
                                     .key = key_,
                                     .version = request_.version,
                                     .deadline = deadline_,
                                     .waiting = this});
        }
        c.outbox_.push_back({.bytes = std::move(request_.bytes),
                             .answered = answered_,
                             .deadline = deadline_,
                             .waiting = answered_ ? nullptr : this});
        c.wake_at(deadline_);
        c.outgoing_.notify_all();
        return true;
    }
    void give_up() override {
        for (Unanswered& request : connection_.unanswered_) {
            if (request.waiting == this) request.waiting = nullptr;
        }
        for (Outgoing& request : connection_.outbox_) {
            if (request.waiting == this) request.waiting = nullptr;
        }
        complete();
    }

    BrokerConnection& connection_;
    Encoded request_;
    ApiKey key_;
    Time deadline_;
    bool answered_;
    Result<Slice> result_;
};

BrokerConnection::BrokerConnection(env::Shard& shard, std::string name, env::Address address,
                                   ConnectionOptions options,
                                   std::unique_ptr<env::Connection> connection)
    : shard_(shard),
      name_(fmt::format("{} at {}", name, address.to_string())),
      address_(std::move(address)),
      options_(std::move(options)),
      connection_(std::move(connection)),
      last_activity_(shard.now()) {
    if (options_.tls) tls_.emplace(shard_, *connection_, options_.tls, address_.host);
    wake_at(last_activity_ + options_.max_idle);
}

BrokerConnection::~BrokerConnection() = default;

Task<Result<std::shared_ptr<BrokerConnection>>> BrokerConnection::open(env::Shard& shard,
                                                                       Scope& scope,
                                                                       std::string name,
                                                                       env::Address address,
                                                                       ConnectionOptions options) {
    struct CloseUnlessKept {
        ~CloseUnlessKept() {
            if (connection) connection->close("the attempt to connect was given up");
        }
        std::shared_ptr<BrokerConnection> connection;
    };
    Time deadline = shard.now() + options.setup_timeout;
    std::string place = fmt::format("{} at {}", name, address.to_string());
    auto too_late = [&](std::string_view what) {
        return fail(ErrorCode::network_exception,
                    fmt::format("{} {} within {} ms (socket.connection.setup.timeout.ms)", place,
                                what, options.setup_timeout.ms()));
    };
    auto connect = [](env::Shard& s,
                      env::Address to) -> Task<Result<std::unique_ptr<env::Connection>>> {
        co_return co_await s.network().connect(std::move(to));
    };
    auto connected = co_await env::with_deadline(shard, deadline, connect(shard, address));
    if (!connected) co_return too_late("took no connection");
    if (!*connected) {
        co_return fail(
            ErrorCode::network_exception,
            fmt::format("{} takes no connection: {}", place, connected->error().message));
    }
    CloseUnlessKept made{
        std::make_shared<BrokerConnection>(shard, name, address, options, *std::move(*connected))};
    auto authenticated =
        co_await env::with_deadline(shard, deadline, made.connection->authenticate());
    if (!authenticated) co_return too_late("did not end the TLS handshake");
    if (!*authenticated) co_return fail(std::move(*authenticated).error());
    scope.spawn(made.connection->read_answers(made.connection));
    scope.spawn(made.connection->write_requests(made.connection));
    auto negotiated = co_await env::with_deadline(shard, deadline, made.connection->negotiate());
    if (!negotiated) co_return too_late("did not tell its API versions");
    if (!*negotiated) co_return fail(std::move(*negotiated).error());
    LOG_DEBUG("connected to {}", place);
    co_return std::exchange(made.connection, nullptr);
}

Task<Result<>> BrokerConnection::authenticate() {
    if (!tls_) co_return Result<>{};
    Result<> done = co_await tls_->handshake();
    if (done) co_return Result<>{};
    bool closed = done.error().code == ErrorCode::network_exception;
    co_return fail(done.error().code,
                   fmt::format("{}: {}{}", name_, done.error().message,
                               closed ? " (is it a listener of brokers for SSL?)" : ""));
}

Task<Result<Slice>> BrokerConnection::ask_versions(std::int16_t version) {
    ApiVersionsRequest request{.client_software_name = std::string(software_name),
                               .client_software_version = std::string(software_version)};
    std::int32_t id = next_correlation_id_++;
    ASSIGN_OR_CO_RETURN(Chain bytes, encode_request(id, options_.client_id, version, request));
    co_return co_await exchange({std::move(bytes), id, version}, ApiKey::api_versions,
                                options_.setup_timeout, true);
}

// Asks with the newest version; a peer that does not have it answers with version 0 and, among its
// versions, those of this very request (KIP-511).
Task<Result<>> BrokerConnection::negotiate() {
    std::int16_t version = find_api(ApiKey::api_versions)->max_version;
    for (;;) {
        ASSIGN_OR_CO_RETURN(Slice body, co_await ask_versions(version));
        Reader first(body);
        bool refused = ErrorCode{first.read_int16()} == ErrorCode::unsupported_version;
        std::int16_t answered_in = refused ? std::int16_t{0} : version;
        Reader reader(body);
        auto answer = ApiVersionsResponse::decode(reader, answered_in);
        if (!answer) {
            co_return fail(undecodable(ApiKey::api_versions, answered_in, answer.error()));
        }
        if (answer->error_code == ErrorCode::none) {
            keep_versions(*std::move(answer));
            co_return Result<>{};
        }
        if (!refused || version == 0) {
            co_return fail(answer->error_code, fmt::format("{} does not tell its API versions: {}",
                                                           name_, name_of(answer->error_code)));
        }
        std::int16_t next = 0;
        for (const auto& api : answer->api_keys) {
            if (api.api_key == static_cast<std::int16_t>(ApiKey::api_versions)) {
                next = std::clamp<std::int16_t>(api.max_version, 0, version - 1);
            }
        }
        version = next;
    }
}

void BrokerConnection::keep_versions(ApiVersionsResponse versions) {
    peer_ranges_.assign(static_cast<std::size_t>(all_apis().back().key) + 1, {});
    for (const auto& api : versions.api_keys) {
        auto key = static_cast<std::size_t>(api.api_key);
        if (api.api_key >= 0 && key < peer_ranges_.size()) {
            peer_ranges_[key] = {api.min_version, api.max_version};
        }
    }
    versions_ = std::move(versions);
    negotiated_ = true;
}

Result<std::int16_t> BrokerConnection::version_of(ApiKey key, std::int16_t max_version) const {
    const ApiInfo* ours = find_api(key);
    CHECK(ours != nullptr && max_version >= ours->min_version);
    auto index = static_cast<std::size_t>(key);
    VersionRange theirs = index < peer_ranges_.size() ? peer_ranges_[index] : VersionRange{};
    std::int16_t most = std::min(ours->max_version, max_version);
    std::int16_t version = std::min(most, theirs.max);
    if (version >= std::max(ours->min_version, theirs.min)) return version;
    if (theirs.max < theirs.min) {
        return fail(ErrorCode::unsupported_version,
                    fmt::format("{} does not know {} (API {}): it is too old for this, or not the "
                                "kind of node that answers it",
                                name_, ours->name, static_cast<int>(key)));
    }
    return fail(ErrorCode::unsupported_version,
                fmt::format("{} has {} in {}, this client needs {}: the older of the two has to "
                            "be upgraded",
                            name_, ours->name, in_words(theirs.min, theirs.max),
                            in_words(ours->min_version, most)));
}

bool BrokerConnection::has_room(std::size_t bytes) const {
    return held_bytes_ == 0 || held_bytes_ + bytes <= options_.max_unanswered_bytes;
}

Task<void> BrokerConnection::await_turn(std::size_t bytes) {
    struct Turn {
        explicit Turn(BrokerConnection& c) : connection(c) { connection.turns_.push_back(this); }
        ~Turn() {
            std::erase(connection.turns_, this);
            connection.room_.notify_all();
        }
        BrokerConnection& connection;
    };
    Turn turn(*this);
    while (!ended_ && (turns_.front() != &turn || !has_room(bytes))) co_await room_.wait();
}

void BrokerConnection::release(std::size_t bytes) {
    CHECK(bytes <= held_bytes_);
    held_bytes_ -= bytes;
    if (!turns_.empty()) room_.notify_all();
}

Task<Result<Slice>> BrokerConnection::exchange(Encoded request, ApiKey key, Duration timeout,
                                               bool answered) {
    if (!turns_.empty() || !has_room(request.bytes.size())) {
        co_await await_turn(request.bytes.size());
    }
    co_return co_await Exchange(*this, std::move(request), key, timeout, answered);
}

Task<Result<>> BrokerConnection::send_unanswered(std::shared_ptr<BrokerConnection> self,
                                                 Result<Encoded> request, ApiKey key,
                                                 Duration timeout) {
    CO_RETURN_IF_ERROR(request);
    CO_RETURN_IF_ERROR(co_await self->exchange(*std::move(request), key, timeout, false));
    co_return Result<>{};
}

void BrokerConnection::answer(Exchange& waiting, Slice body) { waiting.finish(std::move(body)); }

void BrokerConnection::close(std::string reason) { end(std::move(reason)); }

Error BrokerConnection::unanswered_error(ErrorCode code, ApiKey key,
                                         std::string_view reason) const {
    return {code, fmt::format("{} did not answer {}: {}", name_, name_of_api(key), reason)};
}

// What cannot be read says that the two sides disagree about the stream: it cannot go on.
Error BrokerConnection::undecodable(ApiKey key, std::int16_t version, const Error& error) {
    end(fmt::format("an answer to {} could not be read", name_of_api(key)));
    return {ErrorCode::unknown_server_error,
            fmt::format("{} answered {} (version {}) with bytes that are not of that form: {}",
                        name_, name_of_api(key), version, error.message)};
}

void BrokerConnection::end(std::string reason, ErrorCode code) {
    if (ended_) return;
    ended_ = true;
    end_code_ = code;
    end_reason_ = std::move(reason);
    LOG_DEBUG("connection to {} ends: {}", name_, end_reason_);
    alarm_.stop();
    connection_->close();  // ends a read or write that is under way
    for (Unanswered& request : std::exchange(unanswered_, {})) {
        if (request.waiting == nullptr) continue;
        request.waiting->finish(fail(unanswered_error(end_code_, request.key, end_reason_)));
    }
    for (Outgoing& request : std::exchange(outbox_, {})) {
        if (request.waiting == nullptr) continue;
        request.waiting->finish(
            fail(unanswered_error(end_code_, request.waiting->key(), end_reason_)));
    }
    held_bytes_ = 0;
    outgoing_.notify_all();
    room_.notify_all();
}

void BrokerConnection::wake_at(Time time) {
    if (!alarm_.running() || time < alarm_.when()) alarm_.start(shard_, time);
}

void BrokerConnection::on_alarm() {
    Time now = shard_.now();
    Time next = Time::never();
    std::string late;
    for (Unanswered& request : unanswered_) {
        next = std::min(next, request.deadline);
        if (request.deadline > now) continue;
        late = fmt::format("no answer to {} in time", name_of_api(request.key));
        if (request.waiting == nullptr) continue;
        std::exchange(request.waiting, nullptr)
            ->finish(fail(unanswered_error(ErrorCode::request_timed_out, request.key,
                                           "the time is over (request.timeout.ms)")));
    }
    for (const Outgoing& request : outbox_) {
        next = std::min(next, request.deadline);
        if (request.deadline <= now) late = "it does not take what is sent to it";
    }
    if (!late.empty()) return end(std::move(late));
    if (next == Time::never()) {
        next = last_activity_ + options_.max_idle;
        if (next <= now) {
            return end("it was idle (connections.max.idle.ms)");
        }
    }
    wake_at(next);
}

}  // namespace millrace::client
