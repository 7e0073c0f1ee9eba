// What other nodes send of the quorum's requests and answers: bytes of any content are refused or
// taken, and what was taken can be told again.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "core/metadata/topic_names.h"
#include "protocol/reader.h"
#include "protocol/writer.h"
#include "quorum/raft_wire.h"
#include "quorum/voter_wire.h"

namespace {

using namespace millrace;
using namespace millrace::quorum;

constexpr std::string_view cluster = "cluster";
constexpr std::string_view listener = "CONTROLLER";

// None: a version that cannot say it.
template <typename Wire>
std::optional<Slice> bytes_of(const Wire& wire, std::int16_t version) {
    Writer out;
    if (!wire.encode(out, version)) return std::nullopt;
    return std::move(out).finish_in_memory();
}

// Encoded, decoded and encoded once more it is the same, but for what this version does not say.
template <typename Wire>
void tell(const Wire& wire, std::int16_t version) {
    std::optional<Slice> bytes = bytes_of(wire, version);
    if (!bytes) return;
    Reader in(*bytes);
    auto decoded = Wire::decode(in, version);
    if (!decoded) std::abort();
    std::optional<Slice> again = bytes_of(*decoded, version);
    if (!again || again->view() != bytes->view()) std::abort();
}

// As if it were about the metadata log, which bytes seldom come to by themselves.
void name_the_metadata_log(auto& topics) {
    if (topics.empty() || topics.front().partitions.empty()) return;
    topics.resize(1);
    auto& topic = topics.front();
    topic.partitions.resize(1);
    auto& partition = topic.partitions.front();
    if constexpr (requires { topic.topic_name; }) {
        topic.topic_name = metadata::cluster_metadata_topic;
        partition.partition_index = 0;
    } else {
        topic.topic = metadata::cluster_metadata_topic;
        topic.topic_id = metadata_topic_id;
        if constexpr (requires { partition.partition; }) {
            partition.partition = 0;
        } else {
            partition.partition_index = 0;
        }
    }
}

void name_the_metadata_log(auto& wire, bool wanted) {
    if (!wanted) return;
    if constexpr (requires { wire.cluster_id; }) wire.cluster_id = cluster;
    if constexpr (requires { wire.topics.front().partitions; }) name_the_metadata_log(wire.topics);
    if constexpr (requires { wire.responses.front().partitions; })
        name_the_metadata_log(wire.responses);
}

template <typename Wire>
void take_request(Slice bytes, std::int16_t version, bool ours) {
    Reader in(bytes);
    auto wire = Wire::decode(in, version);
    if (!wire) return;
    name_the_metadata_log(*wire, ours);
    auto taken = from_wire(*wire, cluster);
    if (!taken) return;
    if constexpr (std::is_same_v<Wire, FetchRequest>) {
        to_wire(*taken, cluster, version, 1 << 20);
    } else if constexpr (std::is_same_v<Wire, AddRaftVoterRequest>) {
        tell(to_wire(*taken, cluster, Duration::seconds(1)), Wire::max_version);
    } else {
        tell(to_wire(*taken, cluster), Wire::max_version);
    }
}

template <typename Wire>
void take_response(Slice bytes, std::int16_t version, bool ours) {
    Reader in(bytes);
    auto wire = Wire::decode(in, version);
    if (!wire) return;
    name_the_metadata_log(*wire, ours);
    auto taken = from_wire(*wire, listener);
    if (!taken) return;
    if constexpr (requires { to_wire(*taken, listener, version); }) {
        to_wire(*taken, listener, version);
    }
}

struct Message {
    void (*take)(Slice bytes, std::int16_t version, bool ours);
    int first_version;
    int last_version;
};

template <typename Wire>
constexpr Message request_of{take_request<Wire>, Wire::min_version, Wire::max_version};
template <typename Wire>
constexpr Message response_of{take_response<Wire>, Wire::min_version, Wire::max_version};

constexpr Message messages[] = {
    request_of<VoteRequest>,
    request_of<BeginQuorumEpochRequest>,
    request_of<EndQuorumEpochRequest>,
    request_of<FetchRequest>,
    request_of<AddRaftVoterRequest>,
    request_of<RemoveRaftVoterRequest>,
    request_of<UpdateRaftVoterRequest>,
    response_of<VoteResponse>,
    response_of<BeginQuorumEpochResponse>,
    response_of<EndQuorumEpochResponse>,
    response_of<FetchResponse>,
    response_of<AddRaftVoterResponse>,
    response_of<RemoveRaftVoterResponse>,
    response_of<UpdateRaftVoterResponse>,
    response_of<ApiVersionsResponse>,
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const Message& message = messages[data[0] % std::size(messages)];
    bool ours = (data[1] & 0x80U) != 0;
    int versions = message.last_version - message.first_version + 1;
    int version = message.first_version + (data[1] & 0x7fU) % versions;
    message.take(Slice::copy(Bytes(data + 2, size - 2)), static_cast<std::int16_t>(version), ours);
    return 0;
}
