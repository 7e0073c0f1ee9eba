#include "env/sim/endpoint.h"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "env/disk.h"
#include "env/sim/channel.h"
#include "env/sim/world.h"

namespace millrace::env::sim {
namespace {

constexpr std::size_t most_of_a_record = 16 << 10;

}  // namespace

Endpoint::Endpoint(Channel& channel, Node& node, Address local)
    : channel_(channel), node_(node), local_(std::move(local)) {}

Endpoint& Endpoint::other() const { return channel_.other(*this); }
Fabric& Endpoint::fabric() const { return channel_.fabric(); }
Time Endpoint::now() const { return fabric().world().now(); }

void Endpoint::at(Time when, std::function<void()> event) {
    fabric().world().at(when,
                        [channel = channel_.shared_from_this(), run = std::move(event)] { run(); });
}

std::unexpected<Error> Endpoint::failure(std::string_view doing, std::string_view reason) const {
    return fail(ErrorCode::network_exception,
                fmt::format("{} {}: {}", doing, other().local().to_string(), reason));
}

std::unexpected<Error> Endpoint::closed() const {
    return fail(ErrorCode::network_exception,
                fmt::format("the connection to {} is closed", other().local().to_string()));
}

// ---- sending

bool Endpoint::begin(WriteOperation& operation) {
    CHECK(write_ == nullptr);
    write_ = &operation;
    ++writes_;
    pump();
    if (write_ != nullptr) return true;
    // As in the real world, what ends at once may let its coroutine go on at once or not.
    if (fabric().random().chance(0.5)) return false;
    operation.complete();
    return true;
}

std::size_t Endpoint::room() const {
    std::size_t window = fabric().conditions_of(node_, other().node()).window;
    std::uint64_t used = sent_ - read_by_other_;
    return used >= window ? 0 : window - used;
}

// Sends of the waiting write what there is room for. A write that ends within begin() is not
// completed here: it has never waited.
void Endpoint::pump() {
    while (write_ != nullptr && !warming_) {
        if (!open_) return finish_write(closed());
        if (!broken_.empty()) return finish_write(failure("writing to", broken_));
        if (ended_) return finish_write(failure("writing to", "Broken pipe"));
        if (write_->piece == write_->chain.pieces().size()) return finish_write({});
        std::size_t most =
            std::min(room(), fabric().conditions_of(node_, other().node()).largest_segment);
        if (most == 0) return probe_later();
        Random& random = fabric().random();
        std::size_t size = random.chance(0.5) ? most : 1 + random.below(most);
        if (cipher_) size = std::min(size, most_of_a_record);
        std::optional<std::vector<std::uint8_t>> bytes = take(size);
        if (!bytes) return;
        if (cipher_) bytes = cipher_->seal(write_->record, *bytes);
        sent_ += bytes->size();
        transmit({.bytes = *std::move(bytes)});
    }
}

std::optional<std::vector<std::uint8_t>> Endpoint::take(std::size_t size) {
    std::vector<std::uint8_t> bytes;
    const Chain::Pieces& pieces = write_->chain.pieces();
    while (bytes.size() < size && write_->piece < pieces.size()) {
        std::size_t left = size - bytes.size();
        if (const auto* slice = std::get_if<Slice>(&pieces[write_->piece])) {
            Bytes rest = slice->bytes().subspan(write_->offset);
            rest = rest.first(std::min(left, rest.size()));
            bytes.insert(bytes.end(), rest.begin(), rest.end());
            advance(rest.size());
            continue;
        }
        if (!take_range(std::get<FileRange>(pieces[write_->piece]), left, bytes)) break;
    }
    if (bytes.empty()) return std::nullopt;
    return bytes;
}

// False when nothing more can be had of the range now.
bool Endpoint::take_range(const FileRange& range, std::size_t size,
                          std::vector<std::uint8_t>& bytes) {
    std::uint64_t offset = range.offset + write_->offset;
    std::vector<std::uint8_t> part(std::min<std::uint64_t>(size, range.size - write_->offset));
    bool cached = true;
    Result<std::size_t> count = std::exchange(warm_, false)
                                    ? range.file->read(offset, part)
                                    : range.file->read_cached(offset, part, cached);
    if (!count) {
        if (bytes.empty()) finish_write(fail(std::move(count).error()));
        return false;
    }
    if (*count == 0) {
        if (!bytes.empty()) return false;
        if (!cached) {
            warm_up();
        } else {
            finish_write(fail(ErrorCode::kafka_storage_error,
                              fmt::format("a file ended before byte {} that was to be sent from "
                                          "it to {}",
                                          range.offset + range.size, other().local().to_string())));
        }
        return false;
    }
    bytes.insert(bytes.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(*count));
    advance(*count);
    return true;
}

void Endpoint::advance(std::size_t count) {
    write_->offset += count;
    const Chain::Piece& piece = write_->chain.pieces()[write_->piece];
    const auto* slice = std::get_if<Slice>(&piece);
    std::uint64_t size = slice != nullptr ? slice->size() : std::get<FileRange>(piece).size;
    if (write_->offset < size) return;
    write_->offset = 0;
    ++write_->piece;
}

void Endpoint::warm_up() {
    warming_ = true;
    Duration wait = node_.disk().conditions.read.draw(fabric().random());
    at(now() + wait, [this, number = writes_] {
        if (number != writes_ || write_ == nullptr) return;
        warming_ = false;
        warm_ = true;
        WriteOperation* waiting = write_;
        pump();
        if (write_ == nullptr) waiting->complete();
    });
}

void Endpoint::transmit(Segment segment) {
    Time arrives = fabric().arrival(node_, other().node(), segment.bytes.size());
    last_arrival_ = std::max(last_arrival_, arrives);
    segment.arrives = last_arrival_;
    fabric().world().trace().note(Trace::Kind::send, channel_.number(), segment.bytes.size());
    in_flight_.push_back(std::move(segment));
    if (in_flight_.size() == 1) expect_head(last_arrival_);
}

void Endpoint::expect_head(Time when) {
    at(when, [this, attempt = ++attempt_] {
        if (attempt == attempt_) head_arrives();
    });
}

void Endpoint::head_arrives() {
    Endpoint& to = other();
    if (!fabric().passes(node_, to.node_)) return head_lost();
    double reset = fabric().conditions_of(node_, to.node_).reset;
    if (reset > 0 && fabric().random().chance(reset)) return channel_.reset();
    Segment& head = in_flight_.front();
    if (!head.delivered && !to.known_) {
        to.send_reset();
        return head_lost();
    }
    if (!head.delivered) {
        head.delivered = true;
        to.receive(head);
    }
    if (!fabric().passes(to.node_, node_)) return head_lost();  // its confirmation
    in_flight_.pop_front();
    lost_since_.reset();
    read_by_other_ = to.read_count_;
    if (!in_flight_.empty()) expect_head(std::max(now(), in_flight_.front().arrives));
    WriteOperation* waiting = write_;
    pump();
    if (waiting != nullptr && write_ == nullptr) waiting->complete();
    channel_.forget_if_over();
}

// Sends again later, each time after twice as long.
void Endpoint::head_lost() {
    const NetworkConditions& between = fabric().conditions_of(node_, other().node());
    if (!lost_since_) {
        lost_since_ = now();
        resend_after_ = between.resend_after;
    }
    Time end = *lost_since_ + between.give_up_after;
    if (now() >= end) return break_with("Connection timed out");
    expect_head(std::min(now() + resend_after_, end));
    resend_after_ = resend_after_ * 2;
}

void Endpoint::send_reset() {
    Endpoint& to = other();
    at(fabric().arrival(node_, to.node_, 0), [this, &to] {
        if (!fabric().passes(node_, to.node_)) return;
        if (to.known_ || to.sending()) to.break_with("Connection reset by peer");
    });
}

// While the other end reads nothing, and nothing is on the way whose confirmation would tell of
// room, asks for it now and then.
void Endpoint::probe_later() {
    if (probing_ || !in_flight_.empty()) return;
    probing_ = true;
    at(now() + fabric().conditions_of(node_, other().node()).resend_after, [this] {
        probing_ = false;
        if (write_ != nullptr && known_ && in_flight_.empty() && room() == 0) transmit({});
    });
}

void Endpoint::stop_sending() {
    in_flight_.clear();
    lost_since_.reset();
    ++attempt_;
}

void Endpoint::finish_write(Result<> result) {
    write_->result = std::move(result);
    write_ = nullptr;
    warming_ = warm_ = false;
}

void Endpoint::give_up(WriteOperation& operation) {
    write_ = nullptr;
    warming_ = warm_ = false;
    operation.complete();
}

bool Endpoint::encrypt_writes(const TlsKeys& keys) {
    CHECK(write_ == nullptr);
    if (!fabric().record_ciphers) return false;
    std::unique_ptr<RecordCipher> cipher = fabric().record_ciphers(keys);
    if (!cipher) return false;
    cipher_ = std::move(cipher);
    return true;
}

void Endpoint::shutdown_write() {
    if (!open_ || !known_ || ended_) return;
    ended_ = true;
    transmit({.last = true});
    if (WriteOperation* waiting = write_) {
        warming_ = false;
        pump();
        waiting->complete();
    }
}

// ---- receiving

bool Endpoint::begin(ReadOperation& operation) {
    CHECK(read_ == nullptr && operation.room.size() > 0);
    if (!try_read(operation)) {
        read_ = &operation;
        return true;
    }
    if (fabric().random().chance(0.5)) return false;
    operation.complete();
    return true;
}

// True when the operation has its result.
bool Endpoint::try_read(ReadOperation& operation) {
    if (!open_) {
        operation.result = closed();
    } else if (!received_.empty()) {
        MutableBytes into = operation.room.take();
        std::size_t count = std::min(into.size(), received_.size());
        auto end = received_.begin() + static_cast<std::ptrdiff_t>(count);
        std::copy(received_.begin(), end, into.begin());
        received_.erase(received_.begin(), end);
        read_count_ += count;
        operation.result = count;
        tell_room();
    } else if (!broken_.empty()) {
        operation.result = failure("reading from", broken_);
    } else if (end_received_) {
        operation.result = 0;
    } else {
        return false;
    }
    return true;
}

void Endpoint::give_up(ReadOperation& operation) {
    read_ = nullptr;
    operation.complete();
}

void Endpoint::receive(const Segment& segment) {
    fabric().world().trace().note(Trace::Kind::deliver, channel_.number(), segment.bytes.size());
    if (segment.opening) channel_.offer();
    received_.insert(received_.end(), segment.bytes.begin(), segment.bytes.end());
    if (segment.last) end_received_ = true;
    wake_reader();
}

void Endpoint::wake_reader() {
    if (read_ != nullptr && try_read(*read_)) std::exchange(read_, nullptr)->complete();
}

// The other end learns of room when it has become half a window: confirmations tell the rest.
void Endpoint::tell_room() {
    Endpoint& to = other();
    std::size_t window = fabric().conditions_of(to.node_, node_).window;
    if (!known_ || (read_count_ - told_) * 2 < window) return;
    told_ = read_count_;
    at(fabric().arrival(node_, to.node_, 0), [this, &to, count = read_count_] {
        if (!fabric().passes(node_, to.node_)) return;
        to.read_by_other_ = std::max(to.read_by_other_, count);
        WriteOperation* waiting = to.write_;
        to.pump();
        if (waiting != nullptr && to.write_ == nullptr) waiting->complete();
    });
}

// ---- the end

void Endpoint::end_waits() {
    wake_reader();
    WriteOperation* waiting = write_;
    if (waiting == nullptr) return;
    warming_ = false;
    pump();
    waiting->complete();
}

void Endpoint::close() {
    if (!std::exchange(open_, false)) return;
    end_waits();
    if (!known_) return;
    if (!received_.empty()) return abort();  // as the system does with what nobody has read
    known_ = false;
    if (!std::exchange(ended_, true)) transmit({.last = true});
    channel_.forget_if_over();
}

void Endpoint::abort() {
    open_ = false;
    known_ = false;
    stop_sending();
    end_waits();
    send_reset();
    channel_.forget_if_over();
}

void Endpoint::vanish() {
    open_ = false;
    known_ = false;
    stop_sending();
    end_waits();
    channel_.forget_if_over();
}

void Endpoint::break_with(std::string reason) {
    known_ = false;
    if (broken_.empty()) broken_ = std::move(reason);
    stop_sending();
    end_waits();
    channel_.forget_if_over();
}

}  // namespace millrace::env::sim
