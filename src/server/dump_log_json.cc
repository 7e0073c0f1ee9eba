// One JSON object a line; `kind` says of what. Findings and problems are objects, too.

#include <fmt/format.h>
#include <iterator>

#include "protocol/json/json_text.h"
#include "server/dump_log_output.h"

namespace millrace::server {
namespace {

// One object, member by member, into a string that is used again and again.
class JsonLine {
  public:
    JsonLine(TextSink& sink, std::string& text, std::string_view kind) : sink_(sink), text_(text) {
        text_ = "{\"kind\":\"";
        text_ += kind;
        text_ += '"';
    }
    ~JsonLine() {
        text_ += "}\n";
        sink_.out(text_);
    }
    JsonLine(const JsonLine&) = delete;
    JsonLine& operator=(const JsonLine&) = delete;

    template <typename Number>
        requires std::is_arithmetic_v<Number>
    JsonLine& add(std::string_view name, Number value) {
        member(name);
        fmt::format_to(std::back_inserter(text_), "{}", value);
        return *this;
    }
    JsonLine& add(std::string_view name, std::string_view value) {
        member(name);
        append_quoted(text_, value);
        return *this;
    }
    JsonLine& add(std::string_view name, std::optional<std::int64_t> value) {
        return value ? add(name, *value) : add_json(name, "null");
    }
    JsonLine& add_json(std::string_view name, std::string_view json) {
        member(name);
        text_ += json;
        return *this;
    }

  private:
    void member(std::string_view name) {
        text_ += ",\"";
        text_ += name;
        text_ += "\":";
    }

    TextSink& sink_;
    std::string& text_;
};

std::int64_t size_or_minus_one(const std::optional<Bytes>& bytes) {
    return bytes ? static_cast<std::int64_t>(bytes->size()) : -1;
}

std::string header_keys(const Record& record) {
    std::string keys = "[";
    for (const RecordHeader& header : record.headers) {
        if (keys.size() > 1) keys += ',';
        append_quoted(keys, header.key);
    }
    return keys + "]";
}

std::string control_json(const ControlLine& control) {
    std::string_view name = control_type_name(control.type);
    switch (static_cast<ControlType>(control.type)) {
        case ControlType::abort:
        case ControlType::commit:
            return fmt::format(R"({{"type":"{}","coordinatorEpoch":{}}})", name,
                               control.coordinator_epoch);
        default:
            return fmt::format(R"({{"type":"{}","id":{},"data":{}}})", name, control.type,
                               control.json.empty() ? "null" : control.json);
    }
}

void add_decoded(JsonLine& line, std::string_view name, const Decoded& value) {
    switch (value.form) {
        case Decoded::Form::text:
            line.add(name, value.text);
            break;
        case Decoded::Form::number:
        case Decoded::Form::json:
            line.add_json(name, value.text);
            break;
        case Decoded::Form::deleted:
            line.add_json(name, "null");
            break;
        case Decoded::Form::problem:
            line.add("problem", value.text);
            break;
    }
}

struct Naming {
    std::string_view kind;
    std::string_view first;
    std::string_view second;
};
constexpr Naming namings[Findings::kinds] = {
    {"indexMismatch", "indexOffset", "logOffset"},
    {"timestampMismatch", "indexTimestamp", "logTimestamp"},
    {"timestampOutOfOrder", "indexTimestamp", "previousIndexTimestamp"},
    {"offsetNotFound", "indexOffset", "logOffset"},
    {"offsetGap", "offset", "nextOffset"},
};

class JsonOutput final : public DumpOutput {
  public:
    explicit JsonOutput(TextSink& sink) : sink_(sink) {}

    void file(std::string_view path) override { line("file").add("file", path); }
    void unknown_file(std::string_view path) override { line("unknownFile").add("file", path); }
    void log_start(std::int64_t offset) override { line("log").add("startOffset", offset); }
    void bootstrap_snapshot() override { line("bootstrapSnapshot"); }
    void snapshot(std::int64_t end_offset, std::int32_t epoch) override {
        line("snapshot").add("endOffset", end_offset).add("epoch", epoch);
    }
    void batch(const BatchLine& batch) override;
    void record(const RecordLine& record) override;
    void trailing_bytes(std::string_view name, std::uint64_t count) override {
        line("trailingBytes").add("file", name).add("bytes", count);
    }
    void index_entry(std::int64_t offset, std::int32_t position) override {
        line("indexEntry").add("offset", offset).add("position", position);
    }
    void time_entry(std::int64_t timestamp, std::int64_t offset) override {
        line("timeIndexEntry").add("timestamp", timestamp).add("offset", offset);
    }
    void empty_index(std::string_view path) override { line("emptyIndex").add("file", path); }
    void sane_index(std::string_view path) override { line("saneIndex").add("file", path); }
    void producer(const ProducerSnapshot::ProducerEntry& producer) override;
    void aborted(int version, const storage::AbortedTransaction& aborted) override {
        line("abortedTransaction")
            .add("version", version)
            .add("producerId", aborted.producer_id)
            .add("firstOffset", aborted.first_offset)
            .add("lastOffset", aborted.last_offset)
            .add("lastStableOffset", aborted.last_stable_offset);
    }
    void findings(const Findings& findings) override;
    void problem(std::string_view message) override {
        line("problem").add("message", message);
        sink_.err(fmt::format("{}\n", message));
    }

  private:
    JsonLine line(std::string_view kind) { return JsonLine(sink_, text_, kind); }

    TextSink& sink_;
    std::string text_;
};

void JsonOutput::batch(const BatchLine& batch) {
    JsonLine line(sink_, text_, "batch");
    if (const auto& header = batch.header) {
        line.add("baseOffset", header->base_offset())
            .add("lastOffset", header->last_offset())
            .add("count", header->count())
            .add("baseSequence", header->base_sequence())
            .add("lastSequence", last_sequence(*header))
            .add("producerId", header->producer_id())
            .add("producerEpoch", header->producer_epoch())
            .add("partitionLeaderEpoch", header->leader_epoch())
            .add("isTransactional", header->is_transactional())
            .add("isControl", header->is_control())
            .add("deleteHorizonMs", header->delete_horizon());
    } else {
        line.add("lastOffset", batch.last_offset);
    }
    line.add("position", batch.position)
        .add("timestampType", timestamp_type_name(batch.timestamp_type))
        .add("maxTimestamp", batch.max_timestamp)
        .add("size", batch.size)
        .add("magic", static_cast<int>(batch.magic))
        .add("compression", compression_name(batch.codec_id))
        .add("crc", batch.crc)
        .add("isValid", batch.valid);
}

void JsonOutput::record(const RecordLine& record) {
    JsonLine line(sink_, text_, "record");
    if (record.with_metadata) {
        const Record& of = *record.record;
        line.add("offset", of.offset)
            .add("timestampType", timestamp_type_name(record.batch->timestamp_type))
            .add("timestamp", of.timestamp)
            .add("keySize", size_or_minus_one(of.key))
            .add("valueSize", size_or_minus_one(of.value));
        if (record.batch->magic >= current_magic) {
            line.add("sequence", of.sequence).add_json("headerKeys", header_keys(of));
        }
        if (record.checksum) {
            line.add("isValid", record.checksum->valid).add("crc", record.checksum->crc);
        }
        if (record.control) line.add_json("control", control_json(*record.control));
    }
    if (const auto& decoded = record.decoded) {
        if (decoded->key) add_decoded(line, "key", *decoded->key);
        if (decoded->payload) add_decoded(line, "payload", *decoded->payload);
    }
}

void JsonOutput::producer(const ProducerSnapshot::ProducerEntry& producer) {
    std::int64_t start = producer.current_txn_first_offset;
    JsonLine line(sink_, text_, "producer");
    line.add("producerId", producer.producer_id)
        .add("producerEpoch", producer.epoch)
        .add("coordinatorEpoch", producer.coordinator_epoch)
        .add("currentTxnFirstOffset", start >= 0 ? std::optional(start) : std::nullopt)
        .add("lastTimestamp", producer.timestamp);
    if (producer.last_offset < 0) return;
    line.add("firstSequence", first_sequence(producer))
        .add("lastSequence", producer.last_sequence)
        .add("lastOffset", producer.last_offset)
        .add("offsetDelta", producer.offset_delta)
        .add("timestamp", producer.timestamp);
}

void JsonOutput::findings(const Findings& findings) {
    for (std::size_t kind = 0; kind < Findings::kinds; ++kind) {
        const Naming& names = namings[kind];
        for (const auto& [path, list] : findings.of[kind]) {
            std::string file = findings.absolute(path);
            for (const Pair& pair : list.pairs) {
                line(names.kind)
                    .add("file", file)
                    .add(names.first, pair.first)
                    .add(names.second, pair.second);
            }
            if (list.more > 0) {
                line("moreFindings")
                    .add("file", file)
                    .add("of", names.kind)
                    .add("count", list.more);
            }
        }
    }
}

}  // namespace

std::unique_ptr<DumpOutput> json_output(TextSink& sink) {
    return std::make_unique<JsonOutput>(sink);
}

}  // namespace millrace::server
