#include "broker/assignments.h"

#include <algorithm>
#include <utility>

#include "base/random.h"
#include "broker/log.h"
#include "core/controller/assign_directories.h"
#include "metrics/declared.h"

namespace millrace::broker {
namespace {

constexpr std::size_t most_in_one_request = 2250;
constexpr Duration gathering = Duration::milliseconds(100);
constexpr Duration longest_pause = Duration::seconds(10);

bool is_ours(const metadata::Image& image, const TopicIdPartition& id, std::int32_t node_id) {
    const metadata::Partition* partition = image.topics.find(id.topic_id, id.partition);
    return partition != nullptr && metadata::contains(partition->replicas, node_id);
}

}  // namespace

Assignments::Assignments(env::Shard& shard, Controllers& controllers, MetadataCache& metadata,
                         std::int32_t node_id, metrics::Registry& registry)
    : shard_(shard),
      controllers_(controllers),
      metadata_(metadata),
      node_id_(node_id),
      queued_(registry.read_gauge(
          metrics::declared::assignments_manager_queued_replica_to_dir_assignments, {},
          [this] { return static_cast<double>(ready_.size() + in_flight_); })),
      scope_(shard) {}

std::uint64_t Assignments::enqueue(const TopicIdPartition& id, const Uuid& directory) {
    Assignment& assignment = ready_[id];
    if (assignment.number != 0) conclude(assignment, false);
    assignment = {directory, next_number_++};
    changed_.notify_all();
    return assignment.number;
}

Task<bool> Assignments::assigned(TopicIdPartition id, Uuid directory) {
    std::uint64_t number = enqueue(id, directory);
    struct Awaiting {
        Awaiting(std::map<std::uint64_t, Outcome>& all, std::uint64_t n) : awaited(all), number(n) {
            awaited[number] = Outcome::open;
        }
        Awaiting(const Awaiting&) = delete;
        ~Awaiting() { awaited.erase(number); }
        std::map<std::uint64_t, Outcome>& awaited;
        std::uint64_t number;
    } awaiting(awaited_, number);
    co_await changed_.until([&] { return awaited_[number] != Outcome::open; });
    co_return awaited_[number] == Outcome::recorded;
}

void Assignments::conclude(const Assignment& assignment, bool recorded) {
    auto found = awaited_.find(assignment.number);
    if (found != awaited_.end()) found->second = recorded ? Outcome::recorded : Outcome::dropped;
    changed_.notify_all();
}

Task<void> Assignments::run() {
    for (;;) {
        co_await changed_.until([this] { return !ready_.empty(); });
        co_await env::sleep_for(shard_, pause());
        Batch batch = take_batch();
        if (!batch.empty()) co_await send(std::move(batch));
    }
}

Duration Assignments::pause() {
    if (failures_ == 0) {
        return ready_.size() > most_in_one_request ? Duration::milliseconds(0) : gathering;
    }
    std::int64_t doubled = gathering.ns() << std::min(failures_, 7);
    std::int64_t jitter = doubled / 50;
    Duration pause = Duration::nanoseconds(doubled + shard_.random().between(-jitter, jitter));
    return std::min(pause, longest_pause);
}

Assignments::Batch Assignments::take_batch() {
    metadata::ImagePtr image = metadata_.image();
    Batch batch;
    while (!ready_.empty() && batch.size() < most_in_one_request) {
        auto taken = ready_.extract(ready_.begin());
        if (is_ours(*image, taken.key(), node_id_)) {
            batch.insert(std::move(taken));
        } else {
            conclude(taken.mapped(), false);
        }
    }
    return batch;
}

AssignReplicasToDirsRequest Assignments::request_of(const Batch& batch) const {
    const metadata::Broker* self = metadata_.image()->brokers.find(node_id_);
    AssignReplicasToDirsRequest request{.broker_id = node_id_,
                                        .broker_epoch = self == nullptr ? -1 : self->epoch};
    std::map<Uuid, std::map<Uuid, std::vector<std::int32_t>>> sorted;
    for (const auto& [id, assignment] : batch) {
        sorted[assignment.directory][id.topic_id].push_back(id.partition);
    }
    for (const auto& [directory, topics] : sorted) {
        auto& told = request.directories.emplace_back();
        told.id = directory;
        for (const auto& [topic, partitions] : topics) {
            auto& of_topic = told.topics.emplace_back();
            of_topic.topic_id = topic;
            for (std::int32_t partition : partitions) {
                of_topic.partitions.push_back({.partition_index = partition});
            }
        }
    }
    return request;
}

Task<void> Assignments::send(Batch batch) {
    in_flight_ = batch.size();
    auto response =
        co_await controllers_.submit(controller::AssignDirectories{.request = request_of(batch)});
    in_flight_ = 0;
    ErrorCode error = response ? response->error_code : response.error().code;
    if (error != ErrorCode::none) {
        ++failures_;
        LOG_WARN("the log directories of {} replicas cannot be told now: {}", batch.size(),
                 name_of(error));
    } else {
        failures_ = 0;
        settle(*response, batch);
    }
    put_back(batch);
}

// What is left in the batch is to be told again.
void Assignments::settle(const AssignReplicasToDirsResponse& response, Batch& batch) {
    for (const auto& directory : response.directories) {
        for (const auto& topic : directory.topics) {
            for (const auto& partition : topic.partitions) {
                auto sent = batch.find({topic.topic_id, partition.partition_index});
                if (sent == batch.end() || partition.error_code != ErrorCode::none) continue;
                conclude(sent->second, true);
                batch.erase(sent);
            }
        }
    }
}

void Assignments::put_back(const Batch& batch) {
    for (const auto& [id, assignment] : batch) {
        if (!ready_.try_emplace(id, assignment).second) conclude(assignment, false);
    }
}

}  // namespace millrace::broker
