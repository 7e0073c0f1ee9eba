#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error_code.h"
#include "base/time.h"
#include "core/raft/replica.h"

namespace millrace::raft {

// The requests of the quorum without their framing (Vote, BeginQuorumEpoch, EndQuorumEpoch and
// Fetch of the metadata partition).
struct VoteRequest {
    ReplicaKey candidate;
    std::int32_t epoch = 0;
    OffsetAndEpoch last;  // end of the candidate's log
    bool pre_vote = false;
    ReplicaKey voter;  // whom it is for; id -1: not said
};
struct BeginEpochRequest {
    std::int32_t leader = no_node;
    std::int32_t epoch = 0;
    ReplicaKey voter;
    std::vector<Endpoint> endpoints;  // of the leader
};
struct EndEpochRequest {
    std::int32_t leader = no_node;
    std::int32_t epoch = 0;
    std::vector<ReplicaKey> successors;  // most advanced first
};
struct FetchRequest {
    ReplicaKey replica;
    std::int32_t epoch = 0;  // the leader's, as the replica knows it
    OffsetAndEpoch from;     // what the replica has on stable storage
    std::int64_t high_watermark = -1;
    Duration max_wait;
};
// Changes of the voters, one at a time (KIP-853).
struct AddVoterRequest {
    Voter voter;                     // what it supports of kraft.version, it is asked itself
    bool ack_when_committed = true;  // false: once the leader has it in its log (KIP-1186)
};
struct RemoveVoterRequest {
    ReplicaKey voter;
};
// A voter tells its leader where it is heard, and what it supports.
struct UpdateVoterRequest {
    std::int32_t epoch = 0;
    Voter voter;
};
// Which levels of kraft.version a node supports (ApiVersions).
struct VersionsRequest {};
using Request =
    std::variant<VoteRequest, BeginEpochRequest, EndEpochRequest, FetchRequest, AddVoterRequest,
                 RemoveVoterRequest, UpdateVoterRequest, VersionsRequest>;

// What every answer tells: who leads, as far as the sender knows.
struct Answer {
    ErrorCode error = ErrorCode::none;
    std::int32_t leader = no_node;
    std::int32_t epoch = 0;
    std::vector<Endpoint> endpoints;  // of the leader
};
struct VoteResponse {
    Answer answer;
    bool granted = false;
};
struct BeginEpochResponse {
    Answer answer;
};
struct EndEpochResponse {
    Answer answer;
};
// A stretch of a log: batches of one epoch, back to back.
struct Span {
    std::int64_t base = 0;
    std::int64_t end = 0;
    std::int32_t epoch = 0;
    bool operator==(const Span&) const = default;
};
// What control records in a stretch of the log say; the driver reads them.
struct ControlFacts {
    std::vector<VoterHistory::Entry> voters;
    std::vector<KRaftVersionHistory::Entry> kraft_versions;
};
struct FetchResponse {
    Answer answer;
    std::int64_t high_watermark = -1;
    std::int64_t log_start = 0;
    std::optional<OffsetAndEpoch> diverging;
    std::optional<OffsetAndEpoch> snapshot;
    // Whether the answer carries records, from the request's offset on. A leader's driver reads
    // them while it encodes the answer; a follower's has found these in the bytes.
    bool with_records = false;
    std::vector<Span> spans;
    ControlFacts control;
    Slice records;
};
// To AddVoter and RemoveVoter.
struct VoterChangeResponse {
    ErrorCode error = ErrorCode::none;
    std::string message;
};
struct UpdateVoterResponse {
    Answer answer;
};
struct VersionsResponse {
    ErrorCode error = ErrorCode::none;
    std::int16_t min_kraft_version = 0;
    std::int16_t max_kraft_version = 0;
};
using Response = std::variant<VoteResponse, BeginEpochResponse, EndEpochResponse, FetchResponse,
                              VoterChangeResponse, UpdateVoterResponse, VersionsResponse>;

// One line each, for traces and logs.
std::string to_string(const Request& request);
std::string to_string(const Response& response);

}  // namespace millrace::raft
