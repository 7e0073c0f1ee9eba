#include "quorum/control_records.h"

#include <fmt/format.h>
#include <utility>

#include "base/check.h"
#include "protocol/kraft_version_record.h"
#include "protocol/leader_change_message.h"
#include "protocol/reader.h"
#include "protocol/snapshot_footer_record.h"
#include "protocol/snapshot_header_record.h"
#include "protocol/voters_record.h"
#include "protocol/writer.h"
#include "records/builder.h"
#include "records/record.h"

namespace millrace::quorum {
namespace {

constexpr std::int16_t latest_kraft_version = 1;
// Of all control values, whatever kraft.version (formats.md, 2.1).
constexpr std::int16_t value_version = 0;

template <typename Message>
Slice encode_value(const Message& message) {
    Writer writer;
    CHECK(message.encode(writer, value_version).has_value());
    return std::move(writer).finish_in_memory();
}

template <typename Message>
Result<Message> decode_value(const Record& record) {
    Reader reader(record.value.value_or(Bytes{}));
    return Message::decode(reader, value_version);
}

std::vector<LeaderChangeMessage::Voter> voters_of(const std::vector<std::int32_t>& ids) {
    std::vector<LeaderChangeMessage::Voter> voters;
    for (std::int32_t id : ids) voters.push_back({id, {}});
    return voters;
}

Slice encode_voters(const raft::VoterSet& set) {
    VotersRecord record;
    for (const raft::Voter& voter : set.voters()) {
        VotersRecord::Voter one;
        one.voter_id = voter.key.id;
        one.voter_directory_id = voter.key.directory;
        for (const raft::Endpoint& endpoint : voter.endpoints)
            one.endpoints.push_back({endpoint.listener, endpoint.host, endpoint.port});
        one.kraft_version_feature = {voter.min_kraft_version, voter.max_kraft_version};
        record.voters.push_back(std::move(one));
    }
    return encode_value(record);
}

Result<raft::VoterSet> decode_voters(const Record& record) {
    ASSIGN_OR_RETURN(VotersRecord message, decode_value<VotersRecord>(record));
    std::vector<raft::Voter> voters;
    for (VotersRecord::Voter& one : message.voters) {
        raft::Voter voter{.key = {one.voter_id, one.voter_directory_id},
                          .endpoints = {},
                          .min_kraft_version = one.kraft_version_feature.min_supported_version,
                          .max_kraft_version = one.kraft_version_feature.max_supported_version};
        for (VotersRecord::Endpoint& endpoint : one.endpoints)
            voter.endpoints.push_back(
                {std::move(endpoint.name), std::move(endpoint.host), endpoint.port});
        voters.push_back(std::move(voter));
    }
    return raft::VoterSet(std::move(voters));
}

Slice encode_kraft_version(std::int16_t level) {
    KRaftVersionRecord record;
    record.kraft_version = level;
    return encode_value(record);
}

Result<std::int16_t> decode_kraft_version(const Record& record) {
    ASSIGN_OR_RETURN(KRaftVersionRecord message, decode_value<KRaftVersionRecord>(record));
    std::int16_t level = message.kraft_version;
    if (level < 0 || level > latest_kraft_version) {
        return fail(ErrorCode::unsupported_version,
                    fmt::format("kraft.version {} at offset {}; known are 0 to {}", level,
                                record.offset, latest_kraft_version));
    }
    return level;
}

Result<> read(const Record& record, ControlValues& facts) {
    ASSIGN_OR_RETURN(ControlType type, control_type(record));
    switch (type) {
        case ControlType::kraft_voters: {
            ASSIGN_OR_RETURN(raft::VoterSet voters, decode_voters(record));
            facts.voters.push_back({record.offset, std::move(voters)});
            break;
        }
        case ControlType::kraft_version: {
            ASSIGN_OR_RETURN(std::int16_t level, decode_kraft_version(record));
            facts.kraft_versions.push_back({record.offset, level});
            break;
        }
        case ControlType::snapshot_header: {
            ASSIGN_OR_RETURN(auto header, decode_value<SnapshotHeaderRecord>(record));
            facts.last_contained = header.last_contained_log_timestamp;
            break;
        }
        case ControlType::snapshot_footer:
            facts.footer = true;
            break;
        default:
            break;
    }
    return {};
}

}  // namespace

Slice epoch_start_batch(const raft::EpochStart& start, Timestamp now) {
    LeaderChangeMessage change;
    change.leader_id = start.leader;
    change.voters = voters_of(start.voters);
    change.granting_voters = voters_of(start.granting);
    Slice change_value = encode_value(change);
    std::vector<ControlRecord> records{{ControlType::leader_change, change_value}};
    Slice version_value;
    Slice voters_value;
    if (start.voter_set) {
        version_value = encode_kraft_version(start.kraft_version);
        voters_value = encode_voters(*start.voter_set);
        records.push_back({ControlType::kraft_version, version_value});
        records.push_back({ControlType::kraft_voters, voters_value});
    }
    ControlBatchOptions options{start.span.base, start.span.epoch, now};
    return control_batch(options, records);
}

Slice voters_batch(const raft::VotersRecord& change, Timestamp now) {
    std::vector<ControlRecord> records;
    Slice version_value;
    if (change.kraft_version) {
        version_value = encode_kraft_version(*change.kraft_version);
        records.push_back({ControlType::kraft_version, version_value});
    }
    Slice voters_value = encode_voters(change.voters);
    records.push_back({ControlType::kraft_voters, voters_value});
    ControlBatchOptions options{change.span.base, change.span.epoch, now};
    return control_batch(options, records);
}

Slice snapshot_header_batch(const SnapshotBatch& batch, Timestamp last_contained,
                            const QuorumFacts& facts) {
    SnapshotHeaderRecord header;
    header.last_contained_log_timestamp = last_contained;
    Slice header_value = encode_value(header);
    std::vector<ControlRecord> records{{ControlType::snapshot_header, header_value}};
    Slice version_value;
    Slice voters_value;
    if (facts.kraft_version > 0) {
        version_value = encode_kraft_version(facts.kraft_version);
        records.push_back({ControlType::kraft_version, version_value});
        if (facts.voters) {
            voters_value = encode_voters(*facts.voters);
            records.push_back({ControlType::kraft_voters, voters_value});
        }
    }
    ControlBatchOptions options{batch.base_offset, batch.epoch, batch.now};
    return control_batch(options, records);
}

Slice snapshot_footer_batch(const SnapshotBatch& batch) {
    Slice value = encode_value(SnapshotFooterRecord{});
    ControlRecord footer{ControlType::snapshot_footer, value};
    ControlBatchOptions options{batch.base_offset, batch.epoch, batch.now};
    return control_batch(options, std::span(&footer, 1));
}

Result<ControlValues> read_control_batch(const BatchView& batch) {
    ControlValues facts;
    RETURN_IF_ERROR(
        for_each_record(batch, [&](const Record& record) { return read(record, facts); }));
    return facts;
}

}  // namespace millrace::quorum
