// Remote log metadata as Apache Kafka 4.3.1 reads, writes and keeps it: recorded/metadata_cache.tsv
// holds what its classes made of random events (recorded/Record.java).
#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "storage/remote/lineage.h"
#include "storage/remote/remote_log_segments.h"
#include "storage/remote/segment_metadata.h"

namespace millrace::storage::remote {
namespace {

using Line = std::vector<std::string>;

std::vector<std::string> split_at(std::string_view text, char separator) {
    std::vector<std::string> parts;
    for (;;) {
        std::size_t at = text.find(separator);
        parts.emplace_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

std::vector<Line> recorded() {
    std::ifstream file(MILLRACE_SOURCE_DIR "/src/storage/remote/recorded/metadata_cache.tsv");
    std::vector<Line> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(split_at(line, '\t'));
    return lines;
}

std::string unhex(std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    return bytes;
}

std::string id_of(const RemoteLogSegmentMetadata* metadata) {
    return metadata == nullptr ? "-" : metadata->segment.id.to_string();
}

class Replay {
  public:
    void take(const Line& line) {
        const std::string& kind = line[0];
        if (kind == "walk") {
            segments_ = {};
        } else if (kind == "add" || kind == "update") {
            apply(unhex(line[1]));
        } else if (kind == "find") {
            EXPECT_EQ(id_of(segments_.find(number(line[1]), number(line[2]))), line[3]);
        } else if (kind == "next") {
            EXPECT_EQ(id_of(segments_.find_with_transactions(number(line[1]), number(line[2]))),
                      line[3]);
        } else if (kind == "highest") {
            auto highest = segments_.highest_offset(number(line[1]));
            EXPECT_EQ(highest ? fmt::to_string(*highest) : "-", line[2]);
        } else if (kind == "list") {
            EXPECT_EQ(list(number(line[1])), line[2]);
        } else if (kind == "lineage") {
            check_lineage(line);
        } else {
            ASSERT_EQ(kind, "partition");
            EXPECT_EQ(fmt::to_string(metadata_partition_of(*Uuid::parse(line[1]), number(line[2]),
                                                           number(line[3]))),
                      line[4]);
        }
    }

  private:
    static std::int32_t number(const std::string& text) { return std::stoi(text); }

    void apply(const std::string& bytes) {
        auto record = decode_remote_log_metadata(as_bytes(bytes));
        ASSERT_TRUE(record) << record.error().message;
        EXPECT_EQ(encode(*record).view(), bytes);
        EXPECT_EQ(partition_of(*record).topic, "orders");
        EXPECT_EQ(partition_of(*record).partition, 3);
        // Apache passes over what cannot follow; the answers tell whether this does, too.
        if (const auto* metadata = std::get_if<RemoteLogSegmentMetadata>(&*record)) {
            (void)segments_.apply(*metadata);
        } else {
            (void)segments_.apply(std::get<RemoteLogSegmentMetadataUpdate>(*record));
        }
    }

    std::string list(std::int32_t epoch) const {
        auto listed = segments_.list(epoch);
        std::ranges::sort(listed, {}, [](const auto* each) {
            return std::pair(each->segment.start_offset, each->segment.id.high);
        });
        std::string text;
        for (const auto* each : listed) {
            text += (text.empty() ? "" : ",") + each->segment.id.to_string();
        }
        return text;
    }

    void check_lineage(const Line& line) const {
        const RemoteLogSegmentMetadata* metadata = segments_.find(*Uuid::parse(line[1]));
        ASSERT_NE(metadata, nullptr);
        std::vector<EpochStart> epochs;
        for (const std::string& each : split_at(line[3], ',')) {
            auto parts = split_at(each, ':');
            epochs.push_back({number(parts[0]), number(parts[1])});
        }
        EXPECT_EQ(with_records(epochs), epochs);
        EXPECT_EQ(within_lineage(*metadata, number(line[2]), epochs), line[4] == "true");
    }

    RemoteLogSegments segments_;
};

TEST(ApacheRemoteLogMetadata, FindsAndListsTheSameSegments) {
    std::vector<Line> lines = recorded();
    ASSERT_GT(lines.size(), 3000U);
    Replay replay;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        SCOPED_TRACE(fmt::format("line {}: {}", i + 1, fmt::join(lines[i], " ")));
        replay.take(lines[i]);
        if (testing::Test::HasFailure()) return;
    }
}

}  // namespace
}  // namespace millrace::storage::remote
