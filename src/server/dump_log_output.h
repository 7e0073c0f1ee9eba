#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/producer_snapshot.h"
#include "records/batch.h"
#include "records/record.h"
#include "storage/offset_index.h"
#include "storage/time_index.h"
#include "storage/transaction_index.h"

namespace millrace::server {

// Where the text goes: whole lines, with their ends.
class TextSink {
  public:
    virtual ~TextSink() = default;
    virtual void out(std::string_view text) = 0;
    virtual void err(std::string_view text) = 0;
};

// A batch as its header tells; of magic 0 and 1 the one record that it wraps or is.
struct BatchLine {
    std::int8_t magic = current_magic;
    std::uint64_t position = 0;
    std::uint64_t size = 0;
    std::int64_t last_offset = 0;
    // Magic 0 has none.
    std::optional<TimestampType> timestamp_type;
    Timestamp max_timestamp = no_timestamp;
    int codec_id = 0;
    std::uint32_t crc = 0;
    bool valid = false;
    // Of magic 2 and later.
    std::optional<BatchView> header;
};

// A key or a payload, decoded.
struct Decoded {
    enum class Form { text, number, json, deleted, problem };
    Form form = Form::text;
    std::string text;  // as Kafka's tool prints it
};
struct DecodedRecord {
    std::optional<Decoded> key;
    std::optional<Decoded> payload;
};

struct ControlLine {
    std::int16_t type = 0;
    std::int32_t coordinator_epoch = 0;  // of transaction markers
    std::string json;                    // of the quorum's control records
};

struct RecordLine {
    const Record* record = nullptr;
    const BatchLine* batch = nullptr;
    bool with_metadata = true;
    bool whole = true;  // false: there is more of it, which cannot be read
    std::optional<ControlLine> control;
    std::optional<DecodedRecord> decoded;
    // Of a record of magic 0 or 1, which has a CRC of its own.
    struct Checksum {
        bool valid = false;
        std::uint32_t crc = 0;
    };
    std::optional<Checksum> checksum;
};

// What did not fit together, told at the end. Of each kind and file the first
// `findings_kept` are kept, and the others counted.
inline constexpr std::size_t findings_kept = 1U << 20U;
struct Pair {
    std::int64_t first = 0;
    std::int64_t second = 0;
};
struct PairList {
    std::vector<Pair> pairs;
    std::uint64_t more = 0;
    void add(std::int64_t first, std::int64_t second) {
        if (pairs.size() < findings_kept) {
            pairs.push_back({first, second});
        } else {
            ++more;
        }
    }
};
struct Findings {
    enum Kind { index_mismatch, timestamp_mismatch, timestamp_order, offset_missing, gap };
    static constexpr std::size_t kinds = 5;
    std::map<std::string, PairList> of[kinds];  // by path
    void add(Kind kind, const std::string& file, std::int64_t first, std::int64_t second) {
        of[kind][file].add(first, second);
    }
    // Paths from the root on, where the working directory is known.
    std::string working_directory;
    std::string absolute(const std::string& file) const {
        bool known = file.starts_with('/') || working_directory.empty();
        return known ? file : working_directory + '/' + file;
    }
    // Mismatches from the largest offset down, gaps from the least one up, each offset once.
    void sort();
};

// What the readers of files tell, in whichever form it is printed.
class DumpOutput {
  public:
    virtual ~DumpOutput() = default;
    virtual void file(std::string_view path) = 0;
    virtual void unknown_file(std::string_view path) = 0;
    virtual void log_start(std::int64_t offset) = 0;
    virtual void bootstrap_snapshot() = 0;
    virtual void snapshot(std::int64_t end_offset, std::int32_t epoch) = 0;
    virtual void batch(const BatchLine& batch) = 0;
    virtual void record(const RecordLine& record) = 0;
    virtual void trailing_bytes(std::string_view name, std::uint64_t count) = 0;
    virtual void index_entry(std::int64_t offset, std::int32_t position) = 0;
    virtual void time_entry(std::int64_t timestamp, std::int64_t offset) = 0;
    virtual void empty_index(std::string_view path) = 0;
    virtual void sane_index(std::string_view path) = 0;
    virtual void producer(const ProducerSnapshot::ProducerEntry& producer) = 0;
    virtual void aborted(int version, const storage::AbortedTransaction& aborted) = 0;
    virtual void findings(const Findings& findings) = 0;
    // Something that stands in the way of a file, or of all that follows.
    virtual void problem(std::string_view message) = 0;
};

std::unique_ptr<DumpOutput> text_output(TextSink& sink);
std::unique_ptr<DumpOutput> json_output(TextSink& sink);

// As BatchView::last_sequence, but of headers too that make no sense: what Java's arithmetic gives.
std::int32_t last_sequence(const BatchView& header);
// Of the producer's last batch.
std::int32_t first_sequence(const ProducerSnapshot::ProducerEntry& producer);
// "CreateTime", "LogAppendTime", "NoTimestampType".
std::string_view timestamp_type_name(std::optional<TimestampType> type);
// "none", "gzip"…; the number where it is no codec's.
std::string compression_name(int codec_id);
// "COMMIT", "LEADER_CHANGE"…, "UNKNOWN".
std::string_view control_type_name(std::int16_t type);

}  // namespace millrace::server
