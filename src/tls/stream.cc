#include "tls/stream.h"

#include <algorithm>
#include <fmt/core.h>
#include <openssl/crypto.h>
#include <variant>

#include "env/disk.h"
#include "tls/log.h"

namespace millrace::tls {
namespace {

constexpr std::size_t record = 16 << 10;  // the most plaintext that one has
constexpr std::size_t record_overhead = 64;
// Read into the reader's buffer when there is that much room, else beside it.
constexpr std::size_t least_room = 256;
constexpr std::size_t stage_size = record + (1 << 10);
// Who has not shown who he is costs less.
constexpr std::size_t handshake_stage_size = 4 << 10;
// What is encrypted before it is handed to the system.
constexpr std::size_t flush_size = 4 * record;

}  // namespace

// Whoever writes to the connection: the writer, or a reader whose machine answers by itself.
class Stream::Writing {
  public:
    explicit Writing(Stream& stream) : stream_(stream) { stream.writing_ = true; }
    ~Writing() {
        stream_.writing_ = false;
        stream_.written_.notify_all();
    }

  private:
    Stream& stream_;
};

Stream::Stream(env::Shard& shard, env::Connection& connection,
               std::shared_ptr<const Profile> profile, const std::string& host)
    : connection_(connection),
      profile_(std::move(profile)),
      machine_(profile_->open(host), shard.wall_ms()) {}

// Reading --------------------------------------------------------------------------------------

Bytes Stream::staged() const { return staged_.bytes().subspan(staged_from_); }

void Stream::take_staged(Bytes rest) {
    if (rest.empty()) {
        staged_ = Buffer();
        staged_from_ = 0;
    } else {
        staged_from_ = staged_.size() - rest.size();
    }
}

// Room behind what is staged, of which there is nothing when more is read.
MutableBytes Stream::stage() {
    CHECK(staged_.empty());
    staged_.resize(stage_size);
    return staged_.mutable_bytes();
}

Task<Result<>> Stream::handshake() {
    for (;;) {
        Bytes input = staged();
        Result<bool> done = machine_.handshake(input);
        take_staged(input);
        Result<> told = co_await flush();
        CO_RETURN_IF_ERROR(done);
        CO_RETURN_IF_ERROR(told);
        if (*done) {
            hand_over();
            co_return Result<>{};
        }
        CHECK(staged_.empty());
        staged_.resize(handshake_stage_size);
        Result<std::size_t> count = co_await connection_.read(staged_.mutable_bytes());
        staged_.resize(count.value_or(0));
        CO_RETURN_IF_ERROR(count);
        if (*count == 0) {
            co_return fail(ErrorCode::network_exception,
                           "the peer closed the connection during the TLS handshake");
        }
    }
}

// The room of a reader but for its beginning, where plaintext goes that OpenSSL holds.
class Stream::Behind final : public env::ReadRoom {
  public:
    Behind(env::ReadRoom& reader, std::size_t held) : reader_(reader), held_(held) {}
    std::size_t size() const override { return reader_.size() - held_; }
    MutableBytes take() override {
        into_ = reader_.take();
        return into_.subspan(held_);
    }
    void give_back() override { reader_.give_back(); }
    MutableBytes into() const { return into_; }

  private:
    env::ReadRoom& reader_;
    std::size_t held_;
    MutableBytes into_;
};

Task<Result<std::size_t>> Stream::read(env::ReadRoom& room) {
    for (;;) {
        ASSIGN_OR_CO_RETURN(std::size_t count, co_await read_some(room));
        if (count == 0) room.give_back();
        if (machine_.has_something_to_say() && !writing_) {
            Writing writing(*this);
            CO_RETURN_IF_ERROR(co_await flush());
            CO_RETURN_IF_ERROR(check_keys());
        }
        if (count > 0 || ended_ || machine_.ended()) co_return count;
    }
}

// Plaintext of what is here already, or of one read of the connection; may be none.
Task<Result<std::size_t>> Stream::read_some(env::ReadRoom& reader) {
    if (machine_.has_more() || !staged_.empty()) {
        Bytes input = staged();
        Result<std::size_t> count = machine_.decrypt(input, reader.take());
        take_staged(input);
        co_return count;
    }
    std::size_t held = machine_.held();
    bool in_place = reader.size() >= held + least_room;
    Behind room(reader, held);
    Result<std::size_t> received =
        in_place ? co_await connection_.read(room) : co_await connection_.read(stage());
    if (!in_place) staged_.resize(received.value_or(0));
    CO_RETURN_IF_ERROR(received);
    ended_ = *received == 0;
    if (ended_ || !in_place) co_return 0;
    Bytes input = room.into().subspan(held, *received);
    co_return machine_.decrypt(input, room.into());
}

// Writing --------------------------------------------------------------------------------------

Task<Result<>> Stream::write(Chain chain) {
    while (writing_) co_await written_.wait();
    Writing writing(*this);
    if (machine_.is_handed_over()) {
        CO_RETURN_IF_ERROR(check_keys());
        CO_RETURN_IF_ERROR(co_await connection_.write(std::move(chain)));
        if (!machine_.has_something_to_say()) co_return Result<>{};
    } else {
        CO_RETURN_IF_ERROR(co_await write_all(chain));
    }
    CO_RETURN_IF_ERROR(co_await flush());
    co_return check_keys();
}

Task<Result<>> Stream::write_all(const Chain& chain) {
    if (chain.size() < record) machine_.output().reserve(chain.size() + record_overhead);
    const auto* only =
        chain.pieces().size() == 1 ? std::get_if<Slice>(&chain.pieces()[0]) : nullptr;
    if (only != nullptr && only->size() <= record) co_return machine_.encrypt(only->bytes());
    Buffer plain;  // what is too little for records of its own
    for (const Chain::Piece& piece : chain.pieces()) {
        if (const auto* slice = std::get_if<Slice>(&piece)) {
            CO_RETURN_IF_ERROR(co_await write_slice(slice->bytes(), plain));
        } else {
            CO_RETURN_IF_ERROR(co_await write_range(std::get<FileRange>(piece), plain));
        }
    }
    co_return machine_.encrypt(plain.bytes());
}

// Whole records are taken from where they lie.
Task<Result<>> Stream::write_slice(Bytes bytes, Buffer& plain) {
    while (!bytes.empty()) {
        if (plain.empty() && bytes.size() >= record) {
            std::size_t whole = std::min(bytes.size() / record * record, flush_size);
            CO_RETURN_IF_ERROR(co_await encrypt(bytes.first(whole)));
            bytes = bytes.subspan(whole);
            continue;
        }
        std::size_t target = (plain.size() / record + 1) * record;
        std::size_t part = std::min(bytes.size(), target - plain.size());
        plain.append(bytes.first(part));
        bytes = bytes.subspan(part);
        if (plain.size() < target) continue;
        CO_RETURN_IF_ERROR(co_await encrypt(plain.bytes()));
        plain.clear();
    }
    co_return Result<>{};
}

Task<Result<>> Stream::write_range(const FileRange& range, Buffer& plain) {
    std::uint64_t done = 0;
    while (done < range.size) {
        std::size_t filled = plain.size();
        std::size_t part = std::min<std::uint64_t>(range.size - done, flush_size - filled);
        plain.resize(filled + part);
        MutableBytes into = plain.mutable_bytes().subspan(filled);
        bool cached = false;
        Result<std::size_t> count = range.file->read_cached(range.offset + done, into, cached);
        if (count && !cached) {
            count = co_await range.file->read_cold(range.offset + done, into);
        }
        CO_RETURN_IF_ERROR(count);
        if (*count < part) {
            co_return fail(ErrorCode::kafka_storage_error,
                           fmt::format("a file ended before byte {} that was to be sent from it",
                                       range.offset + range.size));
        }
        done += part;
        if (plain.size() < flush_size) continue;
        CO_RETURN_IF_ERROR(co_await encrypt(plain.bytes()));
        plain.clear();
    }
    co_return Result<>{};
}

Task<Result<>> Stream::encrypt(Bytes plain) {
    machine_.output().reserve(flush_size + 8 * record_overhead);
    CO_RETURN_IF_ERROR(machine_.encrypt(plain));
    if (machine_.output().size() < flush_size) co_return Result<>{};
    co_return co_await flush();
}

// All that was said so far is with the system, which counts on from there.
void Stream::hand_over() {
    std::optional<env::TlsKeys> keys = machine_.write_keys();
    bool taken = keys && connection_.encrypt_writes(*keys);
    if (keys) OPENSSL_cleanse(&*keys, sizeof *keys);
    if (taken) {
        machine_.hand_over();
    } else {
        machine_.keep_writing();
    }
}

// A peer may ask for new keys in both directions (RFC 8446, 4.6.3; Java's do after 128 GiB), and no
// data may follow by the old ones. Linux before 6.14 has one set of keys a connection: it ends,
// and close() can still say so by the old ones, as no answer has announced new ones.
Result<> Stream::check_keys() const {
    if (!machine_.wants_new_keys()) return {};
    std::string reason = fmt::format(
        "the connection to {} ends: its peer asks for new TLS keys, which the kernel cannot change "
        "while it is open; the peer may connect anew",
        connection_.peer().to_string());
    LOG_INFO("{}", reason);
    return fail(ErrorCode::network_exception, std::move(reason));
}

// What OpenSSL says by itself once the kernel encrypts: alerts.
Task<Result<>> Stream::say(std::vector<Handover::Message> messages) {
    for (const Handover::Message& message : messages) {
        CO_RETURN_IF_ERROR(
            co_await connection_.write(Slice::copy(Bytes(message.bytes)), message.kind));
    }
    co_return Result<>{};
}

Task<Result<>> Stream::flush() {
    if (machine_.is_handed_over()) co_return co_await say(machine_.take_messages());
    while (!machine_.output().empty()) {
        Slice bytes = machine_.take_output().freeze();
        CO_RETURN_IF_ERROR(co_await connection_.write(std::move(bytes)));
    }
    co_return Result<>{};
}

Task<void> Stream::close() {
    if (writing_) co_return;
    Writing writing(*this);
    machine_.close();
    (void)co_await flush();
}

}  // namespace millrace::tls
