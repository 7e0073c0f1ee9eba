// The form of Kafka's kafka-dump-log.sh, letter for letter.

#include <fmt/format.h>
#include <iterator>

#include "protocol/json/json_text.h"
#include "server/dump_log_output.h"

namespace millrace::server {
namespace {

constexpr std::string_view indent = "|";

std::string optional_long(std::optional<std::int64_t> value) {
    return value ? fmt::format("OptionalLong[{}]", *value) : "OptionalLong.empty";
}

std::int64_t size_or_minus_one(const std::optional<Bytes>& bytes) {
    return bytes ? static_cast<std::int64_t>(bytes->size()) : -1;
}

void append_metadata(std::string& to, const RecordLine& line) {
    const Record& record = *line.record;
    fmt::format_to(std::back_inserter(to), "{} offset: {} {}: {} keySize: {} valueSize: {}", indent,
                   record.offset, timestamp_type_name(line.batch->timestamp_type), record.timestamp,
                   size_or_minus_one(record.key), size_or_minus_one(record.value));
    if (line.batch->magic >= current_magic) {
        fmt::format_to(std::back_inserter(to), " sequence: {} headerKeys: [", record.sequence);
        bool first = true;
        for (const RecordHeader& header : record.headers) {
            if (!first) to += ',';
            first = false;
            append_utf8(to, header.key);
        }
        to += ']';
    }
    if (line.checksum) {
        fmt::format_to(std::back_inserter(to), " isValid: {} crc: {}", line.checksum->valid,
                       line.checksum->crc);
    }
}

void append_control(std::string& to, const ControlLine& control) {
    switch (static_cast<ControlType>(control.type)) {
        case ControlType::abort:
        case ControlType::commit:
            fmt::format_to(std::back_inserter(to), " endTxnMarker: {} coordinatorEpoch: {}",
                           control_type_name(control.type), control.coordinator_epoch);
            return;
        case ControlType::leader_change:
            to += " LeaderChange: ";
            break;
        case ControlType::snapshot_header:
            to += " SnapshotHeader ";
            break;
        case ControlType::snapshot_footer:
            to += " SnapshotFooter ";
            break;
        case ControlType::kraft_version:
            to += " KRaftVersion ";
            break;
        case ControlType::kraft_voters:
            to += " KRaftVoters ";
            break;
        default:
            fmt::format_to(std::back_inserter(to), " controlType: {}({})",
                           control_type_name(control.type), control.type);
            return;
    }
    to += control.json;
}

// How each kind of finding is told: a heading in front of the file's name, then a line each.
struct Wording {
    std::string_view heading;
    std::string_view first;
    std::string_view second;
};
constexpr Wording wordings[Findings::kinds] = {
    {"Mismatches in :", "  Index offset: ", ", log offset: "},
    {"Found timestamp mismatch in :", "  Index timestamp: ", ", log timestamp: "},
    {"Found out of order timestamp in :", "  Index timestamp: ",
     ", Previously indexed timestamp: "},
    {"The following indexed offsets are not found in :", "Indexed offset: ",
     ", found log offset: "},
    {"Non-consecutive offsets in ", "  ", " is followed by "},
};

class TextOutput final : public DumpOutput {
  public:
    explicit TextOutput(TextSink& sink) : sink_(sink) {}

    void file(std::string_view path) override { line("Dumping {}\n", path); }
    void unknown_file(std::string_view path) override {
        sink_.err(fmt::format("Ignoring unknown file {}\n", path));
    }
    void log_start(std::int64_t offset) override { line("Log starting offset: {}\n", offset); }
    void bootstrap_snapshot() override { line("KRaft bootstrap snapshot\n"); }
    void snapshot(std::int64_t end_offset, std::int32_t epoch) override {
        line("Snapshot end offset: {}, epoch: {}\n", end_offset, epoch);
    }
    void batch(const BatchLine& batch) override;
    void record(const RecordLine& record) override;
    void trailing_bytes(std::string_view name, std::uint64_t count) override {
        line("Found {} invalid bytes at the end of {}\n", count, name);
    }
    void index_entry(std::int64_t offset, std::int32_t position) override {
        line("offset: {} position: {}\n", offset, position);
    }
    void time_entry(std::int64_t timestamp, std::int64_t offset) override {
        line("timestamp: {} offset: {}\n", timestamp, offset);
    }
    void empty_index(std::string_view path) override { line("{} is empty.\n", path); }
    void sane_index(std::string_view path) override { line("{} passed sanity check.\n", path); }
    void producer(const ProducerSnapshot::ProducerEntry& producer) override;
    void aborted(int version, const storage::AbortedTransaction& aborted) override {
        line("version: {} producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}\n",
             version, aborted.producer_id, aborted.first_offset, aborted.last_offset,
             aborted.last_stable_offset);
    }
    void findings(const Findings& findings) override;
    void problem(std::string_view message) override { sink_.err(fmt::format("{}\n", message)); }

  private:
    template <typename... Values>
    void line(fmt::format_string<const Values&...> format, const Values&... values) {
        text_.clear();
        fmt::format_to(std::back_inserter(text_), format, values...);
        sink_.out(text_);
    }

    TextSink& sink_;
    std::string text_;
};

void TextOutput::batch(const BatchLine& batch) {
    text_.clear();
    auto out = std::back_inserter(text_);
    if (const auto& header = batch.header) {
        fmt::format_to(
            out,
            "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} "
            "producerId: {} producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} "
            "isControl: {} deleteHorizonMs: {}",
            header->base_offset(), header->last_offset(), header->count(), header->base_sequence(),
            last_sequence(*header), header->producer_id(), header->producer_epoch(),
            header->leader_epoch(), header->is_transactional(), header->is_control(),
            optional_long(header->delete_horizon()));
    } else {
        fmt::format_to(out, "offset: {}", batch.last_offset);
    }
    fmt::format_to(out,
                   " position: {} {}: {} size: {} magic: {} compresscodec: {} crc: {} "
                   "isvalid: {}\n",
                   batch.position, timestamp_type_name(batch.timestamp_type), batch.max_timestamp,
                   batch.size, batch.magic, compression_name(batch.codec_id), batch.crc,
                   batch.valid);
    sink_.out(text_);
}

void TextOutput::record(const RecordLine& record) {
    text_.clear();
    if (record.with_metadata) {
        append_metadata(text_, record);
        if (record.control) append_control(text_, *record.control);
    }
    if (const auto& decoded = record.decoded) {
        if (text_.empty()) text_ += indent;
        if (decoded->key) text_ += " key: " + decoded->key->text;
        if (decoded->payload) text_ += " payload: " + decoded->payload->text;
        if (text_ == indent) text_.clear();
    }
    if (record.whole) text_ += '\n';
    sink_.out(text_);
}

void TextOutput::producer(const ProducerSnapshot::ProducerEntry& producer) {
    text_.clear();
    auto out = std::back_inserter(text_);
    std::int64_t start = producer.current_txn_first_offset;
    fmt::format_to(out,
                   "producerId: {} producerEpoch: {} coordinatorEpoch: {} "
                   "currentTxnFirstOffset: {} lastTimestamp: {}",
                   producer.producer_id, producer.epoch, producer.coordinator_epoch,
                   optional_long(start >= 0 ? std::optional(start) : std::nullopt),
                   producer.timestamp);
    if (producer.last_offset >= 0) {
        fmt::format_to(out,
                       " firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} "
                       "timestamp: {}",
                       first_sequence(producer), producer.last_sequence, producer.last_offset,
                       producer.offset_delta, producer.timestamp);
    }
    text_ += '\n';
    sink_.out(text_);
}

void TextOutput::findings(const Findings& findings) {
    for (std::size_t kind = 0; kind < Findings::kinds; ++kind) {
        const Wording& words = wordings[kind];
        for (const auto& [file, list] : findings.of[kind]) {
            sink_.err(fmt::format("{}{}\n", words.heading, findings.absolute(file)));
            for (const Pair& pair : list.pairs) {
                sink_.err(
                    fmt::format("{}{}{}{}\n", words.first, pair.first, words.second, pair.second));
            }
            if (list.more > 0) sink_.err(fmt::format("  … and {} more\n", list.more));
        }
    }
}

}  // namespace

std::unique_ptr<DumpOutput> text_output(TextSink& sink) {
    return std::make_unique<TextOutput>(sink);
}

}  // namespace millrace::server
