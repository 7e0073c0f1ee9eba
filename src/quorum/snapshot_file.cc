#include "quorum/snapshot_file.h"

#include <fmt/format.h>
#include <limits>
#include <memory>
#include <utility>

#include "core/metadata/image.h"
#include "core/metadata/snapshot.h"
#include "env/disk.h"
#include "quorum/snapshot_reader.h"
#include "storage/batch_scan.h"
#include "storage/text_lines.h"

namespace millrace::quorum {
namespace {

constexpr std::string_view whole_suffix = ".checkpoint";
constexpr std::string_view partial_suffix = ".checkpoint.part";
constexpr std::string_view deleted_suffix = ".checkpoint.deleted";
constexpr std::size_t offset_digits = 20;
constexpr std::size_t epoch_digits = 10;

// One behind the other into a file.
class Output {
  public:
    explicit Output(std::shared_ptr<env::File> file) : file_(std::move(file)) {}
    Result<> add(Bytes bytes) {
        RETURN_IF_ERROR(file_->write(position_, bytes));
        position_ += bytes.size();
        return {};
    }

  private:
    std::shared_ptr<env::File> file_;
    std::uint64_t position_ = 0;
};

std::unexpected<Error> damaged(const std::string& path, const Error& why) {
    ErrorCode code =
        why.code == ErrorCode::unsupported_version ? why.code : ErrorCode::kafka_storage_error;
    return fail(code, fmt::format("{}: {}", path, why.message));
}

Result<> write_contents(Output& output, const SnapshotHead& head, const SnapshotRecords& records) {
    SnapshotBatch batch{0, head.epoch, head.now};
    Slice header = snapshot_header_batch(batch, head.last_contained, head.facts);
    RETURN_IF_ERROR(output.add(header));
    BatchOptions options;
    options.base_offset = BatchView::trusted(header).next_offset();
    options.leader_epoch = head.epoch;
    RecordBatches batches(options, head.now, head.max_batch_bytes,
                          [&](const Slice& full) { return output.add(full); });
    RETURN_IF_ERROR(records(batches));
    RETURN_IF_ERROR(batches.finish());
    batch.base_offset = batches.next_offset();
    return output.add(snapshot_footer_batch(batch));
}

// The batches of a snapshot, whole and in order.
class SnapshotScan {
  public:
    static Result<SnapshotScan> open(env::Disk& disk, const std::string& path) {
        ASSIGN_OR_RETURN(auto file, disk.open(path, {}));
        ASSIGN_OR_RETURN(std::uint64_t size, file->size());
        if (size > std::numeric_limits<std::uint32_t>::max()) {
            return fail(ErrorCode::kafka_storage_error,
                        fmt::format("it has {} bytes; snapshots have less than 4 GiB", size));
        }
        return SnapshotScan(std::move(file), static_cast<std::uint32_t>(size));
    }
    // False: nothing is left.
    Result<bool> next(SnapshotReader& reader) {
        ASSIGN_OR_RETURN(auto batch, scan_.next());
        if (batch) RETURN_IF_ERROR(reader.take(*batch));
        return batch.has_value();
    }

  private:
    SnapshotScan(std::shared_ptr<env::File> file, std::uint32_t size)
        : scan_(std::move(file), 0, size) {}
    storage::BatchScan scan_;
};

}  // namespace

std::string snapshot_name(const raft::OffsetAndEpoch& id) {
    return fmt::format("{:020}-{:010}{}", id.offset, id.epoch, whole_suffix);
}

std::optional<SnapshotName> parse_snapshot_name(std::string_view name) {
    SnapshotName parsed;
    if (name.ends_with(partial_suffix)) {
        parsed.kind = SnapshotName::Kind::partial;
    } else if (name.ends_with(deleted_suffix)) {
        parsed.kind = SnapshotName::Kind::deleted;
    } else if (!name.ends_with(whole_suffix)) {
        return std::nullopt;
    }
    if (name.size() < offset_digits + 1 + epoch_digits || name[offset_digits] != '-')
        return std::nullopt;
    auto offset = storage::parse_number<std::int64_t>(name.substr(0, offset_digits));
    auto epoch = storage::parse_number<std::int32_t>(name.substr(offset_digits + 1, epoch_digits));
    if (!offset || !epoch || *offset < 0 || *epoch < 0) return std::nullopt;
    parsed.id = {*offset, *epoch};
    if (parsed.kind == SnapshotName::Kind::whole && name != snapshot_name(parsed.id))
        return std::nullopt;
    return parsed;
}

Result<> write_snapshot_file(env::Disk& disk, const std::string& path, FileMode mode,
                             const SnapshotHead& head, const SnapshotRecords& records) {
    std::string part = path + ".part";
    {
        ASSIGN_OR_RETURN(auto file,
                         disk.open(part, {.write = true, .create = true, .truncate = true}));
        Output output(file);
        RETURN_IF_ERROR(write_contents(output, head, records));
        RETURN_IF_ERROR(file->sync_now());
    }
    RETURN_IF_ERROR(disk.set_mode(part, static_cast<unsigned>(mode)));
    RETURN_IF_ERROR(disk.rename(part, path));
    return disk.sync_directory(env::parent_of(path));
}

Result<std::uint64_t> write_snapshot(env::Disk& disk, const std::string& directory,
                                     const raft::OffsetAndEpoch& id, const SnapshotHead& head,
                                     const metadata::Image& image) {
    std::string path = fmt::format("{}/{}", directory, snapshot_name(id));
    auto records = [&](RecordBatches& batches) -> Result<> {
        // An image without metadata.version holds nothing yet.
        if (!image.features.metadata_version) return {};
        Result<> added;
        RETURN_IF_ERROR(metadata::write_records(image, [&](metadata::VersionedRecord record) {
            if (added) added = batches.add(record);
        }));
        return added;
    };
    RETURN_IF_ERROR(write_snapshot_file(disk, path, FileMode::read_only, head, records));
    ASSIGN_OR_RETURN(auto file, disk.open(path, {}));
    return file->size();
}

Result<SnapshotContents> read_snapshot(env::Disk& disk, const std::string& path,
                                       const RecordVisitor& visit) {
    SnapshotReader reader(visit);
    auto read = [&]() -> Result<> {
        ASSIGN_OR_RETURN(SnapshotScan scan, SnapshotScan::open(disk, path));
        while (!reader.whole()) {
            ASSIGN_OR_RETURN(bool more, scan.next(reader));
            if (more) continue;
            return fail(ErrorCode::kafka_storage_error,
                        "its footer is missing: it is cut short; remove it if an older snapshot "
                        "and the log behind that are there");
        }
        return {};
    };
    if (Result<> whole = read(); !whole) return damaged(path, whole.error());
    return reader.contents();
}

Result<SnapshotContents> read_snapshot_head(env::Disk& disk, const std::string& path) {
    SnapshotReader reader([](const auto&, std::int64_t) { return Result<>(); });
    auto read = [&]() -> Result<> {
        ASSIGN_OR_RETURN(SnapshotScan scan, SnapshotScan::open(disk, path));
        ASSIGN_OR_RETURN(bool begins, scan.next(reader));
        if (begins) return {};
        return fail(ErrorCode::kafka_storage_error, "it is empty");
    };
    if (Result<> begun = read(); !begun) return damaged(path, begun.error());
    return reader.contents();
}

}  // namespace millrace::quorum
