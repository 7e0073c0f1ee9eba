#include "records/compression.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>
#include <lz4.h>
#include <lz4hc.h>
#include <snappy.h>
#include <vector>
#include <zlib.h>
#include <zstd.h>

#include "base/check.h"
#include "records/framing.h"

namespace millrace {
namespace {

struct CodecFacts {
    std::string_view name;
    int default_level;
    int lowest;
    int highest;
};
constexpr CodecFacts facts[] = {
    {"none", 0, 0, 0}, {"gzip", -1, 1, 9},       {"snappy", 0, 0, 0},
    {"lz4", 9, 1, 17}, {"zstd", 3, -131072, 22},
};

// From this level on zstd's window is wider than the 2 MiB of the default level, up to 128 MiB, and
// its tables grow with it. Not knowing the size it would take them whole for any batch.
constexpr int first_wide_level = 10;
int zstd_window_log(std::size_t input_size) {
    return std::clamp(static_cast<int>(std::bit_width(input_size)), 21, 27);
}

const CodecFacts& facts_of(Codec codec) { return facts[static_cast<std::size_t>(codec)]; }

bool has_levels(Codec codec) { return facts_of(codec).lowest != facts_of(codec).highest; }

void store_le32(std::uint8_t* at, std::uint32_t n) {
    for (int i = 0; i < 4; ++i) at[i] = static_cast<std::uint8_t>(n >> (8 * i));
}

void compress_snappy(Bytes input, Buffer& out) {
    out.append(Bytes(framing::xerial_header));
    for (std::size_t at = 0; at < input.size(); at += framing::xerial_block_size) {
        Bytes block = input.subspan(at, std::min(framing::xerial_block_size, input.size() - at));
        std::size_t start = out.size();
        std::uint8_t* length = out.extend(4 + snappy::MaxCompressedLength(block.size()));
        std::size_t compressed = 0;
        snappy::RawCompress(as_string(block).data(), block.size(),
                            reinterpret_cast<char*>(length + 4), &compressed);
        store_be(length, static_cast<std::uint32_t>(compressed));
        out.resize(start + 4 + compressed);
    }
}

}  // namespace

std::string_view codec_name(Codec codec) { return facts_of(codec).name; }

std::optional<Codec> codec_named(std::string_view name) {
    for (int id = 0; id <= static_cast<int>(Codec::zstd); ++id)
        if (facts[id].name == name) return static_cast<Codec>(id);
    return std::nullopt;
}

int default_level(Codec codec) { return facts_of(codec).default_level; }

Result<> check_level(Codec codec, int level) {
    const CodecFacts& fact = facts_of(codec);
    if (!has_levels(codec) || level == fact.default_level) return {};
    if (level >= fact.lowest && level <= fact.highest) return {};
    return fail(
        ErrorCode::invalid_config,
        fmt::format("Compression level {} is not one of {}; use {} to {}, or {} for the default",
                    level, fact.name, fact.lowest, fact.highest, fact.default_level));
}

struct Compressor::State {
    z_stream gzip{};
    int gzip_level = 0;
    bool gzip_ready = false;
    ZSTD_CCtx* zstd = nullptr;
    std::vector<std::uint64_t> lz4_tables;  // lz4 wants 8-byte alignment

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (gzip_ready) deflateEnd(&gzip);
        ZSTD_freeCCtx(zstd);
    }
};

Compressor::Compressor() = default;
Compressor::Compressor(Compressor&& other) noexcept = default;
Compressor& Compressor::operator=(Compressor&& other) noexcept = default;
Compressor::~Compressor() = default;

void Compressor::compress(Codec codec, int level, Bytes input, Buffer& out) {
    if (state_ == nullptr) state_ = std::make_unique<State>();
    const CodecFacts& fact = facts_of(codec);
    if (level != fact.default_level) level = std::clamp(level, fact.lowest, fact.highest);
    switch (codec) {
        case Codec::none:
            return out.append(input);
        case Codec::gzip:
            return gzip(level, input, out);
        case Codec::snappy:
            return compress_snappy(input, out);
        case Codec::lz4:
            return lz4(level, input, out);
        case Codec::zstd:
            return zstd(level, input, out);
    }
}

// zlib's own header says which system and level made it, Java's does not: the deflate stream is
// raw, header and trailer (RFC 1952) are ours.
void Compressor::gzip(int level, Bytes input, Buffer& out) {
    z_stream& stream = state_->gzip;
    if (state_->gzip_ready && state_->gzip_level != level) {
        deflateEnd(&stream);
        state_->gzip_ready = false;
    }
    if (!state_->gzip_ready) {
        CHECK(deflateInit2(&stream, level, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
        state_->gzip_ready = true;
        state_->gzip_level = level;
    }
    out.append(Bytes(framing::gzip_header));
    uLong crc = crc32(0, nullptr, 0);
    std::size_t start = out.size();
    out.resize(start + deflateBound(&stream, input.size()));
    CHECK(input.size() <= 0xffffffffU && out.size() - start <= 0xffffffffU);
    crc = crc32(crc, input.data(), static_cast<uInt>(input.size()));
    stream.next_in = const_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = out.data() + start;
    stream.avail_out = static_cast<uInt>(out.size() - start);
    CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(out.size() - stream.avail_out);
    CHECK(deflateReset(&stream) == Z_OK);
    std::uint8_t* trailer = out.extend(8);
    store_le32(trailer, static_cast<std::uint32_t>(crc));
    store_le32(trailer + 4, static_cast<std::uint32_t>(input.size()));
}

// Level 9 is Kafka's default and means the fast compressor, all others mean the thorough one.
void Compressor::lz4(int level, Bytes input, Buffer& out) {
    bool fast = level == facts_of(Codec::lz4).default_level;
    int state_size = fast ? LZ4_sizeofState() : LZ4_sizeofStateHC();
    auto words = (static_cast<std::size_t>(state_size) + 7) / 8;
    if (state_->lz4_tables.size() < words) state_->lz4_tables.resize(words);
    void* tables = state_->lz4_tables.data();
    out.append(Bytes(framing::lz4_header));
    for (std::size_t at = 0; at < input.size(); at += framing::lz4_block_size) {
        Bytes block = input.subspan(at, std::min(framing::lz4_block_size, input.size() - at));
        int bound = LZ4_compressBound(static_cast<int>(block.size()));
        std::size_t start = out.size();
        std::uint8_t* length = out.extend(4 + static_cast<std::size_t>(bound));
        const char* from = as_string(block).data();
        char* to = reinterpret_cast<char*>(length + 4);
        int size = static_cast<int>(block.size());
        int compressed = fast ? LZ4_compress_fast_extState(tables, from, to, size, bound, 1)
                              : LZ4_compress_HC_extStateHC(tables, from, to, size, bound, level);
        CHECK(compressed > 0);
        auto stored = static_cast<std::uint32_t>(compressed);
        if (compressed >= size) {
            std::copy(block.begin(), block.end(), length + 4);
            stored = static_cast<std::uint32_t>(size);
            store_le32(length, stored | framing::lz4_stored);
        } else {
            store_le32(length, stored);
        }
        out.resize(start + 4 + stored);
    }
    store_le32(out.extend(4), 0);
}

// The frame is ended by a call without input: when zstd sees the end together with the first
// bytes it writes their size into the header, which Apache's streams do not.
void Compressor::zstd(int level, Bytes input, Buffer& out) {
    if (state_->zstd == nullptr) state_->zstd = ZSTD_createCCtx();
    CHECK(state_->zstd != nullptr);
    ZSTD_CCtx_reset(state_->zstd, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(state_->zstd, ZSTD_c_compressionLevel, level);
    if (level >= first_wide_level)
        ZSTD_CCtx_setParameter(state_->zstd, ZSTD_c_windowLog, zstd_window_log(input.size()));
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    std::size_t start = out.size();
    out.resize(start + ZSTD_compressBound(input.size()) + ZSTD_CStreamOutSize());
    ZSTD_outBuffer to{out.data() + start, out.size() - start, 0};
    while (in.pos < in.size)
        CHECK(!ZSTD_isError(ZSTD_compressStream2(state_->zstd, &to, &in, ZSTD_e_continue)));
    std::size_t left = 1;
    while (left != 0) {
        left = ZSTD_compressStream2(state_->zstd, &to, &in, ZSTD_e_end);
        CHECK(!ZSTD_isError(left));
        if (left == 0) break;
        out.resize(out.size() + left);
        to = {out.data() + start, out.size() - start, to.pos};
    }
    out.resize(start + to.pos);
}

}  // namespace millrace
