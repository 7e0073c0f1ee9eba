#include "storage/remote/stored_segment.h"

#include <algorithm>
#include <fmt/core.h>
#include <vector>

#include "base/crc32c.h"

namespace millrace::storage::remote {
namespace {

constexpr std::size_t piece_size = 1 << 20;
// A segment of 1 GiB has some 5 MiB of offset and time index; most have far less.
constexpr std::uint64_t first_read = 4 << 20;

Result<std::uint32_t> checksum(ObjectSource& source) {
    Buffer piece;
    std::uint32_t crc = 0;
    for (std::uint64_t at = 0; at < source.size(); at += piece.size()) {
        piece.resize(std::min<std::uint64_t>(piece_size, source.size() - at));
        RETURN_IF_ERROR(source.read(at, piece.mutable_bytes()));
        crc = crc32c(piece.bytes(), crc);
    }
    return crc;
}

std::unexpected<Error> damaged(std::string_view key, IndexType type) {
    return fail(ErrorCode::corrupt_message,
                fmt::format("the object {} is damaged: its {} is not what was put there", key,
                            name_of(type)));
}

}  // namespace

Result<> copy_segment(ObjectStore& store, const RemoteLogSegment& segment,
                      const SegmentFiles& files) {
    IndexesHeader header{.segment = segment, .parts = {}};
    header.segment.size = files.log->size();
    std::vector<ObjectSource*> pieces(1);
    for (std::size_t i = 0; i < index_types; ++i) {
        if (files.indexes[i] == nullptr) continue;
        ASSIGN_OR_RETURN(header.parts[i].crc, checksum(*files.indexes[i]));
        header.parts[i].size = files.indexes[i]->size();
        pieces.push_back(files.indexes[i]);
    }
    MemorySource text(Slice::copy(header.to_text()));
    pieces[0] = &text;
    JoinedSource indexes(std::move(pieces));
    RETURN_IF_ERROR(store.put(log_key(segment), *files.log));
    return store.put(indexes_key(segment), indexes);
}

Result<> remove_segment(ObjectStore& store, const RemoteLogSegment& segment) {
    RETURN_IF_ERROR(store.remove(indexes_key(segment)));
    return store.remove(log_key(segment));
}

Result<IndexesHeader> read_header(ObjectStore& store, std::string_view key) {
    ASSIGN_OR_RETURN(Buffer bytes, store.get(key, 0, IndexesHeader::longest));
    return IndexesHeader::parse(bytes.view(), key);
}

Result<SegmentIndexes> fetch_indexes(ObjectStore& store, const RemoteLogSegment& segment,
                                     IndexType first, IndexType last) {
    std::string key = indexes_key(segment);
    // Those in front are mostly wanted all, and lie in the first read; those behind are few.
    std::uint64_t guess = first == IndexType::offset ? first_read : IndexesHeader::longest;
    ASSIGN_OR_RETURN(Buffer bytes, store.get(key, 0, guess));
    ASSIGN_OR_RETURN(IndexesHeader header, IndexesHeader::parse(bytes.view(), key));
    if (header.segment.id != segment.id) {
        return fail(ErrorCode::corrupt_message, fmt::format("the object {} is that of segment {}",
                                                            key, header.segment.id.to_string()));
    }
    std::uint64_t begin = header.part(first).offset;
    std::uint64_t end = header.part(last).offset + header.part(last).size;
    std::uint64_t bytes_at = 0;  // where in the object `bytes` begins
    if (end > bytes.size()) {
        if (begin > bytes.size()) {
            bytes_at = begin;
            bytes.clear();
        }
        std::uint64_t from = bytes_at + bytes.size();
        ASSIGN_OR_RETURN(Buffer rest, store.get(key, from, end - from));
        bytes.append(rest.bytes());
    }
    Slice all = std::move(bytes).freeze();
    SegmentIndexes indexes;
    for (auto i = static_cast<std::size_t>(first); i <= static_cast<std::size_t>(last); ++i) {
        const IndexesHeader::Part& part = header.parts[i];
        if (part.offset - bytes_at + part.size > all.size()) {
            return damaged(key, static_cast<IndexType>(i));
        }
        indexes[i] = all.slice(part.offset - bytes_at, part.size);
        if (crc32c(indexes[i]) != part.crc) return damaged(key, static_cast<IndexType>(i));
    }
    return indexes;
}

Result<Slice> fetch_index(ObjectStore& store, const RemoteLogSegment& segment, IndexType type) {
    ASSIGN_OR_RETURN(SegmentIndexes indexes, fetch_indexes(store, segment, type, type));
    return indexes[static_cast<std::size_t>(type)];
}

}  // namespace millrace::storage::remote
