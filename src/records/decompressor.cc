#include "records/decompressor.h"

#include <algorithm>
#include <expected>
#include <fmt/format.h>
#include <lz4.h>
#include <snappy.h>
#include <string>
#include <zlib.h>
#include <zstd.h>

#include "base/check.h"
#include "records/framing.h"

namespace millrace {

// Inflates one codec. An error is a reason; who called says which stream it was.
class Decompressor::Stream {
  public:
    using Outcome = std::expected<std::size_t, std::string>;

    Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    virtual ~Stream() = default;
    virtual std::expected<void, std::string> start(Bytes input) = 0;
    virtual Outcome read(MutableBytes out) = 0;
};

namespace {

// Kept buffers above this size are given back when the next stream starts.
constexpr std::size_t most_kept = std::size_t{8} << 20U;

std::unexpected<std::string> broken(std::string reason) {
    return std::unexpected<std::string>(std::move(reason));
}

std::unexpected<std::string> cut_short() { return broken("it ends before its last block"); }

std::uint32_t load_le32(const std::uint8_t* at) {
    return at[0] | at[1] << 8U | at[2] << 16U | static_cast<std::uint32_t>(at[3]) << 24U;
}

class PlainStream final : public Decompressor::Stream {
  public:
    std::expected<void, std::string> start(Bytes input) override {
        input_ = input;
        return {};
    }
    Outcome read(MutableBytes out) override {
        std::size_t n = std::min(out.size(), input_.size());
        std::copy_n(input_.begin(), n, out.begin());
        input_ = input_.subspan(n);
        return n;
    }

  private:
    Bytes input_;
};

class GzipStream final : public Decompressor::Stream {
  public:
    ~GzipStream() override {
        if (ready_) inflateEnd(&zlib_);
    }

    std::expected<void, std::string> start(Bytes input) override {
        if (!ready_) CHECK(inflateInit2(&zlib_, MAX_WBITS + 16) == Z_OK);
        ready_ = true;
        rest_ = input;
        ended_ = false;
        CHECK(inflateReset(&zlib_) == Z_OK);
        return {};
    }

    Outcome read(MutableBytes out) override {
        zlib_.next_out = out.data();
        zlib_.avail_out = static_cast<uInt>(std::min<std::size_t>(out.size(), 1U << 30U));
        const uInt room = zlib_.avail_out;
        while (!ended_ && zlib_.avail_out == room) {
            const auto given = static_cast<uInt>(std::min<std::size_t>(rest_.size(), 1U << 30U));
            zlib_.next_in = const_cast<Bytef*>(rest_.data());
            zlib_.avail_in = given;
            int result = inflate(&zlib_, Z_NO_FLUSH);
            rest_ = rest_.subspan(given - zlib_.avail_in);
            if (result == Z_STREAM_END) {
                next_member();
            } else if (result == Z_BUF_ERROR ||
                       (result == Z_OK && rest_.empty() && zlib_.avail_out == room)) {
                return cut_short();
            } else if (result != Z_OK) {
                return broken(zlib_.msg == nullptr ? "zlib refuses it" : zlib_.msg);
            }
        }
        return room - zlib_.avail_out;
    }

  private:
    // Members may follow each other; anything else behind one is ignored, as Java does.
    void next_member() {
        ended_ = rest_.size() < 18 || rest_[0] != 0x1f || rest_[1] != 0x8b;
        if (!ended_) CHECK(inflateReset(&zlib_) == Z_OK);
    }

    z_stream zlib_{};
    Bytes rest_;
    bool ready_ = false;
    bool ended_ = false;
};

class ZstdStream final : public Decompressor::Stream {
  public:
    ~ZstdStream() override { ZSTD_freeDCtx(zstd_); }

    std::expected<void, std::string> start(Bytes input) override {
        // A frame may ask for a window of 128 MiB. It becomes resident as it is filled only, and
        // is not kept.
        if (zstd_ != nullptr && ZSTD_sizeof_DCtx(zstd_) > most_kept) {
            ZSTD_freeDCtx(zstd_);
            zstd_ = nullptr;
        }
        if (zstd_ == nullptr) zstd_ = ZSTD_createDCtx();
        CHECK(zstd_ != nullptr);
        ZSTD_DCtx_reset(zstd_, ZSTD_reset_session_only);
        input_ = {input.data(), input.size(), 0};
        in_frame_ = false;
        return {};
    }

    Outcome read(MutableBytes out) override {
        ZSTD_outBuffer to{out.data(), out.size(), 0};
        while (to.pos == 0 && (in_frame_ || input_.pos < input_.size)) {
            std::size_t before = input_.pos;
            std::size_t hint = ZSTD_decompressStream(zstd_, &to, &input_);
            if (ZSTD_isError(hint)) return broken(ZSTD_getErrorName(hint));
            in_frame_ = hint != 0;
            if (in_frame_ && to.pos == 0 && input_.pos == before) return cut_short();
        }
        return to.pos;
    }

  private:
    ZSTD_DCtx* zstd_ = nullptr;
    ZSTD_inBuffer input_{};
    bool in_frame_ = false;
};

// A codec whose blocks come out whole: one block is decoded into the caller's memory when it fits
// there for sure, and otherwise into our own, from where it is handed out.
class BlockStream : public Decompressor::Stream {
  public:
    Outcome read(MutableBytes out) final {
        while (ready_.empty() && !ended_) {
            std::expected<std::size_t, std::string> direct = next_block(out);
            if (!direct || *direct > 0) return direct;
        }
        std::size_t n = std::min(out.size(), ready_.size());
        std::copy_n(ready_.begin(), n, out.begin());
        ready_ = ready_.subspan(n);
        return n;
    }

  protected:
    void begin(Bytes input) {
        rest_ = input;
        ready_ = {};
        ended_ = false;
        if (block_.capacity() > most_kept) block_ = Buffer();
    }
    // Decodes the next block: into `out`, and returns its size; or sets ready_, and returns 0; or
    // sets ended_.
    virtual Outcome next_block(MutableBytes out) = 0;

    Bytes take(std::size_t n) {
        Bytes taken = rest_.first(n);
        rest_ = rest_.subspan(n);
        return taken;
    }
    MutableBytes own_block(std::size_t size) {
        block_.clear();
        block_.resize(size);
        return block_.mutable_bytes();
    }

    Bytes rest_;
    Bytes ready_;
    bool ended_ = false;

  private:
    Buffer block_;
};

class SnappyStream final : public BlockStream {
  public:
    std::expected<void, std::string> start(Bytes input) override {
        begin(input);
        if (input.empty()) return broken("it is empty");
        framed_ = begins_with_header();
        return framed_ ? skip_header() : std::expected<void, std::string>();
    }

  private:
    bool begins_with_header() const {
        return rest_.size() >= framing::xerial_magic_size &&
               std::equal(framing::xerial_header,
                          framing::xerial_header + framing::xerial_magic_size, rest_.begin());
    }

    std::expected<void, std::string> skip_header() {
        if (rest_.size() < sizeof framing::xerial_header) return cut_short();
        Bytes header = take(sizeof framing::xerial_header);
        auto version = load_be<std::int32_t>(header.data() + framing::xerial_magic_size);
        if (version < 1) return broken(fmt::format("xerial version {} is below 1", version));
        return {};
    }

    Outcome next_block(MutableBytes out) override {
        Bytes block;
        if (!framed_) {
            ended_ = true;
            block = rest_;
        } else {
            // Streams may follow each other.
            while (begins_with_header())
                if (auto skipped = skip_header(); !skipped) return broken(skipped.error());
            if (rest_.size() < 4) {
                ended_ = true;
                return 0;
            }
            auto length = load_be<std::uint32_t>(take(4).data());
            if (length > rest_.size())
                return broken(fmt::format("a block of {} bytes has only {}", length, rest_.size()));
            block = take(length);
        }
        return decode(block, out);
    }

    Outcome decode(Bytes block, MutableBytes out) {
        std::size_t size = 0;
        const char* from = as_string(block).data();
        if (!snappy::GetUncompressedLength(from, block.size(), &size))
            return broken("a block does not begin with its length");
        // The densest element makes 64 bytes of 3: a longer claim cannot be kept.
        if (size / 22 > block.size())
            return broken(fmt::format("a block of {} bytes claims to hold {}", block.size(), size));
        bool direct = size <= out.size();
        MutableBytes to = direct ? out.first(size) : own_block(size);
        if (!snappy::RawUncompress(from, block.size(), reinterpret_cast<char*>(to.data())))
            return broken("a block is not snappy's");
        if (direct) return size;
        ready_ = to;
        return 0;
    }

    bool framed_ = false;
};

class Lz4Stream final : public BlockStream {
  public:
    std::expected<void, std::string> start(Bytes input) override {
        begin(input);
        if (input.size() < 7) return cut_short();
        if (load_le32(input.data()) != framing::lz4_magic) return broken("it is no LZ4 frame");
        std::uint8_t flags = input[4];
        int size_id = (input[5] >> 4U) & 7;
        if ((flags & 0x03U) != 0 || (input[5] & 0x8fU) != 0)
            return broken("reserved bits of its header are set");
        if (flags >> 6U != 1) return broken(fmt::format("frame version {} is not 1", flags >> 6U));
        if ((flags & 0x20U) == 0) return broken("its blocks depend on each other");
        if (size_id < 4) return broken(fmt::format("block size {} is none of 4 to 7", size_id));
        std::size_t described = (flags & 0x08U) == 0 ? 6 : 14;
        if (input.size() < described + 1) return cut_short();
        std::uint32_t hash = framing::xxh32(input.subspan(4, described - 4));
        if (input[described] != ((hash >> 8U) & 0xffU))
            return broken("its header checksum is wrong");
        take(described + 1);
        block_checksums_ = (flags & 0x10U) != 0;
        content_checksum_ = (flags & 0x04U) != 0;
        most_ = std::size_t{1} << (8 + 2 * size_id);
        return {};
    }

  private:
    Outcome next_block(MutableBytes out) override {
        if (rest_.size() < 4) return cut_short();
        std::uint32_t word = load_le32(take(4).data());
        std::size_t length = word & ~framing::lz4_stored;
        if (length == 0) {
            ended_ = true;
            if (content_checksum_ && rest_.size() < 4) return cut_short();
            return 0;
        }
        if (length > most_)
            return broken(fmt::format("a block of {} bytes is above its limit {}", length, most_));
        if (rest_.size() < length + (block_checksums_ ? 4 : 0)) return cut_short();
        Bytes block = take(length);
        if (block_checksums_ && load_le32(take(4).data()) != framing::xxh32(block))
            return broken("a block's checksum is wrong");
        if ((word & framing::lz4_stored) != 0) {
            ready_ = block;
            return 0;
        }
        bool direct = most_ <= out.size();
        MutableBytes to = direct ? out : own_block(most_);
        int size = LZ4_decompress_safe(as_string(block).data(), reinterpret_cast<char*>(to.data()),
                                       static_cast<int>(length), static_cast<int>(most_));
        if (size < 0) return broken("a block is not LZ4's");
        if (direct) return static_cast<std::size_t>(size);
        ready_ = to.first(static_cast<std::size_t>(size));
        return 0;
    }

    std::size_t most_ = 0;
    bool block_checksums_ = false;
    bool content_checksum_ = false;
};

std::unique_ptr<Decompressor::Stream> make_stream(Codec codec) {
    switch (codec) {
        case Codec::none:
            return std::make_unique<PlainStream>();
        case Codec::gzip:
            return std::make_unique<GzipStream>();
        case Codec::snappy:
            return std::make_unique<SnappyStream>();
        case Codec::lz4:
            return std::make_unique<Lz4Stream>();
        case Codec::zstd:
            return std::make_unique<ZstdStream>();
    }
    CHECK(false);
}

}  // namespace

Decompressor::Decompressor() = default;
Decompressor::Decompressor(Decompressor&& other) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&& other) noexcept = default;
Decompressor::~Decompressor() = default;

std::unexpected<Error> Decompressor::refuse(std::string_view reason) const {
    return fail(ErrorCode::unknown_server_error,
                fmt::format("The {} stream of {} bytes cannot be decompressed: {}",
                            codec_name(codec_), input_size_, reason));
}

Result<> Decompressor::start(Codec codec, Bytes input, std::size_t limit) {
    auto& kept = streams_[static_cast<std::size_t>(codec)];
    if (kept == nullptr) kept = make_stream(codec);
    stream_ = kept.get();
    codec_ = codec;
    input_size_ = input.size();
    produced_ = 0;
    limit_ = limit;
    if (auto started = stream_->start(input); !started) return refuse(started.error());
    return {};
}

Result<std::size_t> Decompressor::read(MutableBytes out) {
    CHECK(stream_ != nullptr && !out.empty());
    auto n = stream_->read(out);
    if (!n) return refuse(n.error());
    produced_ += *n;
    if (produced_ > limit_)
        return refuse(fmt::format("it holds more than the {} bytes allowed", limit_));
    return *n;
}

Result<Slice> decompress(Codec codec, Bytes input, std::size_t limit) {
    constexpr std::size_t least = std::size_t{64} << 10U;
    Decompressor decompressor;
    RETURN_IF_ERROR(decompressor.start(codec, input, limit));
    Buffer out;
    while (true) {
        if (out.capacity() - out.size() < least) out.reserve(out.size() * 2 + least);
        std::size_t before = out.size();
        out.resize(out.capacity());
        ASSIGN_OR_RETURN(std::size_t n, decompressor.read(out.mutable_bytes().subspan(before)));
        out.resize(before + n);
        if (n == 0) return std::move(out).freeze();
    }
}

}  // namespace millrace
