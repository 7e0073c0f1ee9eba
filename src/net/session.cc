#include "net/session.h"

#include <algorithm>
#include <fmt/core.h>

#include "net/log.h"
#include "protocol/frame.h"
#include "protocol/reader.h"

namespace millrace::net {
namespace {

constexpr std::size_t length_size = 4;
// How long a TLS peer may take what tells it that the connection ends.
constexpr Duration farewell = Duration::seconds(1);

}  // namespace

Session::Session(SessionShared& shared, std::unique_ptr<env::Connection> connection,
                 std::shared_ptr<Peer> peer, std::shared_ptr<const tls::Profile> profile)
    : shared_(shared),
      connection_(std::move(connection)),
      peer_(std::move(peer)),
      figures_(shared.traffic.listener(peer_->listener->name)),
      last_activity_(shared.shard.now()) {
    if (profile) tls_.emplace(shared.shard, *connection_, std::move(profile));
}

Task<void> Session::run() {
    figures_.opened.add();
    figures_.open.add(1);
    idle_.start(shared_.shard, last_activity_ + shared_.limits.max_idle);
    bool cancelled = false;
    try {
        co_await with_scope([this](Scope& scope) -> Task<void> {
            if (tls_ && !co_await authenticate()) co_return;
            scope.spawn(read_requests(scope));
            co_await write_replies();
        });
        if (authenticated_) {
            co_await env::with_deadline(shared_.shard, shared_.shard.now() + farewell,
                                        tls_->close());
        }
    } catch (const Cancelled&) {
        cancelled = true;
    }
    idle_.stop();
    for (const Slot& slot : slots_) shared_.request_bytes.release(slot.request_bytes);
    slots_.clear();
    figures_.closed.add();
    figures_.open.add(-1);
    shared_.handler.closed(*peer_);
    if (cancelled) throw Cancelled{};
}

void Session::drain() {
    draining_ = true;
    if (tls_ && !authenticated_) end("the node stops");
    ready_.notify_all();
}

void Session::end(std::string reason) {
    if (ended_) return;
    ended_ = true;
    LOG_DEBUG("connection from {} ends: {}", peer_->address.to_string(), reason);
    // What is under way ends with the connection. A TLS peer is told of the end by run(), unless it
    // takes nothing.
    if (!authenticated_ || tls_->is_writing()) connection_->close();
    ready_.notify_all();
}

void Session::IdleTimer::fire() {
    Time due = session_.last_activity_ + session_.shared_.limits.max_idle;
    if (session_.shared_.shard.now() < due || !session_.slots_.empty()) {
        start(session_.shared_.shard,
              std::max(due, session_.shared_.shard.now() + Duration::seconds(1)));
        return;
    }
    session_.figures_.expired.add(1);
    session_.end("idle for connections.max.idle.ms");
}

Task<bool> Session::authenticate() {
    Result<> done = co_await tls_->handshake();
    if (done) done = name_peer();
    last_activity_ = shared_.shard.now();
    if (done) {
        figures_.authenticated.add();
        authenticated_ = true;
        co_return true;
    }
    if (done.error().code == ErrorCode::sasl_authentication_failed) {
        figures_.refused.add();
        LOG_INFO("failed authentication with {} on {}: {}", peer_->address.to_string(),
                 peer_->listener->name, done.error().message);
        if (!ended_) co_await env::sleep_for(shared_.shard, shared_.limits.refusal_delay);
    }
    end(done.error().message);
    co_return false;
}

Result<> Session::name_peer() {
    tls::CertificatePtr certificate = tls_->machine().peer();
    if (!certificate) return {};
    ASSIGN_OR_RETURN(peer_->principal, tls_->profile().principal_of(*certificate));
    return {};
}

bool Session::must_hold_back() const {
    return slots_.size() >= shared_.limits.max_requests_in_flight ||
           unsent_bytes_ >= shared_.limits.max_unsent_bytes;
}

Task<void> Session::read_requests(Scope& scope) {
    ReceiveBuffer buffer;
    while (!ended_ && !draining_) {
        while (must_hold_back()) co_await room_.wait();
        Result<std::size_t> count =
            tls_ ? co_await tls_->read(buffer) : co_await connection_->read(buffer);
        if (!count || *count == 0) {
            end(count ? "closed by the peer" : count.error().message);
            co_return;
        }
        buffer.received(*count);
        figures_.bytes_in.add(*count);
        last_activity_ = shared_.shard.now();
        if (!co_await start_frames(scope, buffer)) co_return;
    }
}

// Starts every request that is complete in the buffer and leaves the rest in it. False when the
// connection cannot go on.
Task<bool> Session::start_frames(Scope& scope, ReceiveBuffer& buffer) {
    auto next_frame = [&](Bytes rest) -> std::optional<std::size_t> {
        if (rest.size() < length_size) return std::nullopt;
        auto length = load_be<std::int32_t>(rest.data());
        if (length < 0 || static_cast<std::size_t>(length) > shared_.limits.max_request_bytes) {
            end(fmt::format("a request claims {} bytes; socket.request.max.bytes is {}", length,
                            shared_.limits.max_request_bytes));
            return std::nullopt;
        }
        auto size = static_cast<std::size_t>(length);
        if (rest.size() - length_size < size) return std::nullopt;
        return size;
    };
    std::optional<std::size_t> size = next_frame(buffer.bytes());
    if (ended_) co_return false;
    if (!size) co_return true;

    Slice received = buffer.freeze();
    std::size_t at = 0;
    while (size) {
        Slice frame = received.slice(at + length_size, *size);
        at += length_size + *size;
        buffer.note_frame(length_size + *size);
        if (shared_.shard.now() < muted_until_) co_await until_unmuted();
        if (!shared_.request_bytes.try_acquire(*size)) {
            co_await shared_.request_bytes.acquire(*size);
        }
        Slot& slot = slots_.emplace_back();  // stays where it is until its answer leaves
        slot.request_bytes = *size;
        scope.spawn(answer_one(slot, std::move(frame)));
        if (ended_) co_return false;
        size = next_frame(received.bytes().subspan(at));
    }
    buffer.keep(received.bytes().subspan(at));
    co_return !ended_;
}

// Requests that wait leave the answers of those before them alone.
Task<void> Session::until_unmuted() {
    while (shared_.shard.now() < muted_until_)
        co_await env::sleep_until(shared_.shard, muted_until_);
}

Task<void> Session::answer_one(Slot& slot, Slice frame) {
    slot.received = shared_.shard.now();
    if (Result<Request> request = open(slot, frame)) {
        slot.reply = co_await shared_.handler.answer(*std::move(request));
    } else {
        slot.reply = {.close = true, .reason = std::move(request).error().message};
    }
    slot.answered = shared_.shard.now();
    slot.ready = true;
    muted_until_ = std::max(muted_until_, slot.answered + slot.reply.throttle);
    unsent_bytes_ += slot.reply.bytes.size();
    if (&slots_.front() == &slot) ready_.notify_all();
}

// The error is the reason to end the connection.
Result<Request> Session::open(Slot& slot, const Slice& frame) {
    Reader reader(frame);
    ASSIGN_OR_RETURN(RequestHeader header, decode_request_header(reader));
    const ApiInfo* api = find_api(header.request_api_key);
    if (api == nullptr) {
        return fail(ErrorCode::invalid_request,
                    fmt::format("unknown api key {}", header.request_api_key));
    }
    slot.api = api;
    figures_.requests.add();
    shared_.traffic.received(*api, header.request_api_version, frame.size());
    return Request{
        .api = api,
        .version = header.request_api_version,
        .correlation_id = header.correlation_id,
        .client_id = std::move(header.client_id),
        .body = frame.slice(frame.size() - reader.remaining()),
        .bytes = frame.size(),
        .received = slot.received,
        .peer = peer_,
    };
}

void Session::note_sent(const std::vector<Sent>& sent, Time begun) {
    Time now = shared_.shard.now();
    for (const Sent& each : sent) {
        if (each.api == nullptr) continue;
        figures_.responses.add();
        shared_.traffic.answered(*each.api,
                                 {each.received, each.answered, begun, now, each.throttle});
    }
}

Task<void> Session::write_replies() {
    std::vector<Sent> sent;
    for (;;) {
        while (!ended_ && !(draining_ && slots_.empty()) &&
               (slots_.empty() || !slots_.front().ready)) {
            co_await ready_.wait();
        }
        if (ended_ || slots_.empty()) co_return;
        Chain bytes;
        std::optional<std::string> close;
        sent.clear();
        while (!slots_.empty() && slots_.front().ready && !close) {
            Slot& slot = slots_.front();
            bytes.append(std::move(slot.reply.bytes));
            if (slot.reply.close) close = std::move(slot.reply.reason);
            shared_.request_bytes.release(slot.request_bytes);
            sent.push_back({slot.api, slot.received, slot.answered, slot.reply.throttle});
            slots_.pop_front();
        }
        std::size_t size = bytes.size();
        if (size > 0) {
            Time begun = shared_.shard.now();
            Result<> written = tls_ ? co_await tls_->write(std::move(bytes))
                                    : co_await connection_->write(std::move(bytes));
            if (!written) end(written.error().message);
            figures_.bytes_out.add(size);
            note_sent(sent, begun);
            last_activity_ = shared_.shard.now();
            unsent_bytes_ -= size;
        }
        if (close) end(*std::move(close));
        if (ended_) co_return;
        room_.notify_all();
    }
}

}  // namespace millrace::net
