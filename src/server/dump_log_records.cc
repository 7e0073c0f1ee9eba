#include "server/dump_log_records.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "env/disk.h"
#include "server/dump_log_legacy.h"

namespace millrace::server {
namespace {

constexpr std::size_t frame_size = BatchView::frame_header_size;
// A record of magic 0 without key and value.
constexpr std::int32_t least_length = 14;
constexpr std::string_view checkpoint_suffix = ".checkpoint";
constexpr std::string_view bootstrap_name = "bootstrap.checkpoint";
constexpr std::size_t offset_width = 20;
constexpr std::size_t epoch_width = 10;

template <typename Number>
bool parse_digits(std::string_view text, std::size_t at, std::size_t width, Number& number) {
    if (text.size() < at + width) return false;
    const char* end = text.data() + at + width;
    auto [behind, error] = std::from_chars(text.data() + at, end, number);
    return error == std::errc() && behind == end;
}

// What the name says of the file: 00000000000000000062-0000000001.checkpoint.
Result<> tell_name(const std::string& path, DumpOutput& output) {
    std::string_view name = file_name(path);
    if (!name.ends_with(checkpoint_suffix)) {
        ASSIGN_OR_RETURN(std::int64_t start, named_offset(path));
        output.log_start(start);
        return {};
    }
    if (name == bootstrap_name) {
        output.bootstrap_snapshot();
        return {};
    }
    std::int64_t offset = 0;
    std::int32_t epoch = 0;
    if (!parse_digits(name, 0, offset_width, offset) ||
        !parse_digits(name, offset_width + 1, epoch_width, epoch)) {
        return fail(ErrorCode::invalid_request,
                    fmt::format("{}: the name is not END_OFFSET-EPOCH.checkpoint, as those of "
                                "metadata snapshots are",
                                path));
    }
    output.snapshot(offset, epoch);
    return {};
}

BatchLine line_of(const BatchView& header) {
    BatchLine line;
    line.magic = header.magic();
    line.last_offset = header.last_offset();
    line.timestamp_type = header.timestamp_type();
    line.max_timestamp = header.max_timestamp();
    line.codec_id = header.codec_id();
    line.crc = header.crc();
    line.header = header;
    return line;
}

std::unexpected<Error> cut_short(const FileWindow& file, std::uint64_t position) {
    return fail(ErrorCode::corrupt_message,
                fmt::format("{}: the file ends within the header of the batch at position {}",
                            file.path(), position));
}

class RecordPrinter final : public BatchRecords {
  public:
    RecordPrinter(const RecordDump& dump, DumpOutput& output, Findings& findings, std::string path)
        : dump_(dump), output_(output), findings_(findings), path_(std::move(path)) {}

    void begin(const BatchLine& batch) { batch_ = &batch; }
    Result<> record(const Record& record, std::optional<RecordLine::Checksum> checksum) override {
        if (record.offset != last_offset_ + 1) {
            findings_.add(Findings::gap, path_, last_offset_, record.offset);
        }
        last_offset_ = record.offset;
        RecordLine line{.record = &record,
                        .batch = batch_,
                        .with_metadata = dump_.metadata,
                        .checksum = checksum};
        Result<> read = read_contents(record, line);
        line.whole = read.has_value();
        output_.record(line);
        return read;
    }

  private:
    Result<> read_contents(const Record& record, RecordLine& line) const {
        bool control = batch_->header && batch_->header->is_control();
        if (control && dump_.metadata) {
            ASSIGN_OR_RETURN(line.control, decode_control(record));
        }
        if (!control && dump_.contents) {
            ASSIGN_OR_RETURN(line.decoded, dump_.decoder.decode(record));
        }
        return {};
    }

    const RecordDump& dump_;
    DumpOutput& output_;
    Findings& findings_;
    std::string path_;
    const BatchLine* batch_ = nullptr;
    std::int64_t last_offset_ = -1;
};

Result<> dump_batches(FileWindow& file, std::uint64_t end, const RecordDump& dump,
                      DumpOutput& output, RecordPrinter& printer, std::uint64_t& position) {
    while (true) {
        ASSIGN_OR_RETURN(std::optional<FoundBatch> batch, find_batch(file, position, end));
        if (!batch) return {};
        RETURN_IF_ERROR(check_batch(file, *batch));
        output.batch(batch->line);
        if (!codec_of_id(batch->line.codec_id)) {
            return fail(ErrorCode::unsupported_compression_type,
                        fmt::format("{}: the batch at position {} has codec {}, which is none",
                                    file.path(), position, batch->line.codec_id));
        }
        if (dump.records) {
            printer.begin(batch->line);
            RETURN_IF_ERROR(visit_records(file, *batch, dump.batch_limit, printer));
        }
        position += batch->line.size;
    }
}

}  // namespace

Result<std::optional<FoundBatch>> find_batch(FileWindow& file, std::uint64_t position,
                                             std::uint64_t end) {
    if (position + frame_size >= end) return std::nullopt;
    ASSIGN_OR_RETURN(Bytes frame, file.at(position, frame_size));
    if (frame.size() < frame_size) return cut_short(file, position);
    auto length = load_be<std::int32_t>(frame.data() + batch_layout::length);
    if (length < least_length) {
        return fail(ErrorCode::corrupt_message,
                    fmt::format("{}: at position {} the length of a batch should be, but it is {}; "
                                "the file is not a log, or broken from there on",
                                file.path(), position, length));
    }
    std::uint64_t size = batch_prefix_size + static_cast<std::uint64_t>(length);
    if (position + size > end) return std::nullopt;
    auto magic = static_cast<std::int8_t>(frame[batch_layout::magic]);
    std::optional<FoundBatch> found(std::in_place);
    std::size_t header_size = magic < current_magic ? legacy_header_size : batch_header_size;
    ASSIGN_OR_RETURN(Bytes header, file.at(position, header_size));
    if (magic < current_magic) {
        ASSIGN_OR_RETURN(found->line, legacy_line(header));
    } else {
        if (header.size() < header_size) return cut_short(file, position);
        found->header = Slice::copy(header);
        found->line = line_of(BatchView::trusted(found->header));
    }
    found->line.position = position;
    found->line.size = size;
    return found;
}

Result<> check_batch(FileWindow& file, FoundBatch& batch) {
    BatchLine& line = batch.line;
    if (line.magic < current_magic) return check_legacy(file, line);
    if (line.size < batch_header_size) return {};
    std::uint64_t from = line.position + batch_layout::attributes;
    ASSIGN_OR_RETURN(std::uint32_t crc, file.checksum(from, line.size - batch_layout::attributes));
    line.valid = crc == line.crc;
    return {};
}

Result<> visit_records(FileWindow& file, const FoundBatch& batch, std::size_t limit,
                       BatchRecords& visitor) {
    const BatchLine& line = batch.line;
    auto named = [&](const Error& error) {
        return fail(error.code, fmt::format("{}: the batch at position {}: {}", file.path(),
                                            line.position, error.message));
    };
    if (line.size > limit) {
        return fail(ErrorCode::message_too_large,
                    fmt::format("{}: the batch at position {} has {} bytes; raise "
                                "--max-message-size to have its records read",
                                file.path(), line.position, line.size));
    }
    ASSIGN_OR_RETURN(Bytes bytes, file.at(line.position, static_cast<std::size_t>(line.size)));
    if (bytes.size() < line.size) return cut_short(file, line.position);
    if (line.magic < current_magic) {
        Result<> visited = visit_legacy(bytes, line, limit, visitor);
        if (!visited) return named(visited.error());
        return {};
    }
    if (bytes.size() < batch_header_size) {
        return named({ErrorCode::corrupt_message, "it is shorter than its header"});
    }
    RecordReader reader(BatchView::trusted(bytes), limit);
    while (true) {
        Result<const Record*> record = reader.next();
        if (!record) return named(record.error());
        if (*record == nullptr) return {};
        RETURN_IF_ERROR(visitor.record(**record, std::nullopt));
    }
}

Result<> dump_records(env::Disk& disk, const std::string& path, const RecordDump& dump,
                      DumpOutput& output, Findings& findings) {
    RETURN_IF_ERROR(tell_name(path, output));
    ASSIGN_OR_RETURN(FileWindow file, FileWindow::open(disk, path));
    std::uint64_t end = file.size();
    if (dump.max_bytes != RecordDump::all_bytes) {
        end = std::min(end, static_cast<std::uint64_t>(std::max(dump.max_bytes, 0)));
    }
    std::uint64_t position = 0;
    RecordPrinter printer(dump, output, findings, path);
    RETURN_IF_ERROR(dump_batches(file, end, dump, output, printer, position));
    if (position < end && dump.max_bytes == RecordDump::all_bytes) {
        output.trailing_bytes(file_name(path), end - position);
    }
    return {};
}

}  // namespace millrace::server
