// The two tasks of a connection: one reads answers, one writes requests.

#include <algorithm>
#include <fmt/core.h>

#include "client/connection.h"
#include "net/receive_buffer.h"

namespace millrace::client {
namespace {

constexpr std::size_t length_size = 4;
// An answer to ApiVersions is small: whoever claims more is no Kafka broker.
constexpr std::size_t most_before_versions = 1 << 20;
// Above fetch.max.bytes and below what the first letters of HTTP would mean as a length.
constexpr std::size_t most_frame = std::size_t{1} << 30;

class AtEnd {
  public:
    explicit AtEnd(BrokerConnection& connection) : connection_(connection) {}
    ~AtEnd() { connection_.close("this client was closed"); }

  private:
    BrokerConnection& connection_;
};

}  // namespace

Task<void> BrokerConnection::read_answers(std::shared_ptr<BrokerConnection> self) {
    AtEnd at_end(*self);
    net::ReceiveBuffer buffer;
    while (!ended_) {
        Result<std::size_t> count =
            tls_ ? co_await tls_->read(buffer) : co_await connection_->read(buffer);
        if (ended_) co_return;
        if (!count || *count == 0) {
            std::string hint =
                negotiated_ || tls_ ? "" : " (is it a listener of brokers for PLAINTEXT?)";
            end((count ? "it closed the connection" : count.error().message) + hint,
                count ? ErrorCode::network_exception : count.error().code);
            co_return;
        }
        last_activity_ = shard_.now();
        buffer.received(*count);
        if (!take_frames(buffer)) co_return;
    }
}

// What other servers on the port would say to a request of Kafka's.
std::string BrokerConnection::foreign_peer(Bytes first) const {
    if (as_string(first).starts_with("HTTP")) return ": it answers in HTTP, it is a web server";
    if (first[0] == 0x15 && first[1] == 0x03) return ": it speaks TLS (security.protocol=SSL)";
    return ": it is no Kafka broker, or one with another security.protocol";
}

// Gives every whole answer in the buffer to its request and leaves the rest there. False when the
// connection has ended.
bool BrokerConnection::take_frames(net::ReceiveBuffer& buffer) {
    auto next_size = [&](Bytes rest) -> std::optional<std::size_t> {
        if (rest.size() < length_size) return std::nullopt;
        std::size_t most = negotiated_ ? most_frame : most_before_versions;
        std::size_t size = load_be<std::uint32_t>(rest.data());
        if (size > most) {
            end(fmt::format("it sent an answer of {} bytes, more than any has{}", size,
                            negotiated_ ? "" : foreign_peer(rest)));
            return std::nullopt;
        }
        return rest.size() - length_size < size ? std::nullopt : std::optional(size);
    };
    std::optional<std::size_t> size = next_size(buffer.bytes());
    if (ended_) return false;
    if (!size) return true;

    Slice received = buffer.freeze();
    std::size_t at = 0;
    while (size) {
        if (!take_answer(received.slice(at + length_size, *size))) return false;
        at += length_size + *size;
        buffer.note_frame(length_size + *size);
        size = next_size(received.bytes().subspan(at));
    }
    buffer.keep(received.bytes().subspan(at));
    return !ended_;
}

bool BrokerConnection::take_answer(const Slice& frame) {
    std::int32_t id = frame.size() < 4 ? -1 : load_be<std::int32_t>(frame.data());
    auto request = std::ranges::find(unanswered_, id, &Unanswered::correlation_id);
    if (request == unanswered_.end()) {
        end(fmt::format("it answered a request {} that it was not sent", id));
        return false;
    }
    Reader reader(frame);
    if (auto header = decode_response_header(reader, request->key, request->version); !header) {
        end(fmt::format("it sent a broken answer: {}", header.error().message));
        return false;
    }
    Exchange* waiting = request->waiting;
    release(request->bytes);
    unanswered_.erase(request);
    if (waiting != nullptr) {
        answer(*waiting, frame.slice(frame.size() - reader.remaining()));
    }
    return true;
}

// All requests that came in one turn of the loop leave in one write.
Task<void> BrokerConnection::write_requests(std::shared_ptr<BrokerConnection> self) {
    AtEnd at_end(*self);
    while (!ended_) {
        if (outbox_.empty()) {
            co_await outgoing_.wait();
            continue;
        }
        Chain bytes;
        std::size_t count = outbox_.size();
        for (const Outgoing& request : outbox_) bytes.append(request.bytes);
        Result<> written = tls_ ? co_await tls_->write(std::move(bytes))
                                : co_await connection_->write(std::move(bytes));
        if (ended_) co_return;
        if (!written) {
            end(written.error().message);
            co_return;
        }
        last_activity_ = shard_.now();
        for (; count > 0; --count) {
            Outgoing request = std::move(outbox_.front());
            outbox_.pop_front();
            if (request.answered) continue;
            release(request.bytes.size());
            if (request.waiting != nullptr) answer(*request.waiting, Slice());
        }
    }
}

}  // namespace millrace::client
