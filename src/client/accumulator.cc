#include "client/accumulator.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/random.h"
#include "records/builder.h"

namespace millrace::client {

Accumulator::Accumulator(const AccumulatorOptions& options, Random& random)
    : options_(options), random_(random) {}

Accumulator::~Accumulator() = default;

TopicQueues* Accumulator::find(std::string_view topic) {
    if (last_topic_ != nullptr && last_topic_->name == topic) return last_topic_;
    auto found = topics_.find(topic);
    if (found == topics_.end()) return nullptr;
    last_topic_ = found->second.get();
    return last_topic_;
}

TopicQueues& Accumulator::update(std::string_view name, std::uint64_t generation,
                                 std::int32_t count, std::vector<std::int32_t> available) {
    TopicQueues* topic = find(name);
    if (topic == nullptr) {
        topic =
            topics_.emplace(std::string(name), std::make_unique<TopicQueues>()).first->second.get();
        topic->name = name;
    }
    topic->generation = generation;
    topic->count = count;
    if (topic->available != available) topic->sticky.forget();
    topic->available = std::move(available);
    if (topic->partitions.size() < static_cast<std::size_t>(count))
        topic->partitions.resize(static_cast<std::size_t>(count));
    return *topic;
}

PartitionQueue& Accumulator::queue(TopicQueues& topic, std::int32_t partition) {
    auto& queue = topic.partitions.at(static_cast<std::size_t>(partition));
    if (!queue) queue = std::make_unique<PartitionQueue>(TopicPartition{topic.name, partition});
    return *queue;
}

BatchOptions Accumulator::batch_options() const {
    BatchOptions options;
    options.codec = options_.codec;
    options.level = options_.codec_level;
    options.transactional = options_.transactional;
    return options;
}

Result<> Accumulator::check_size(std::string_view topic, std::size_t size_bound) const {
    std::size_t size = batch_header_size + size_bound;
    if (size > options_.max_request_size)
        return fail(ErrorCode::message_too_large,
                    fmt::format("A record for topic {} takes {} bytes, more than max.request.size "
                                "({}); raise it, and the topic's max.message.bytes",
                                topic, size, options_.max_request_size));
    if (size > options_.buffer_memory)
        return fail(
            ErrorCode::message_too_large,
            fmt::format("A record for topic {} takes {} bytes, more than buffer.memory ({})", topic,
                        size, options_.buffer_memory));
    return {};
}

bool Accumulator::fits(const PartitionQueue& queue, const ProducerBatch& batch,
                       std::size_t bound) const {
    if (options_.codec == Codec::none) return batch.builder.size() + bound <= options_.batch_size;
    // A twentieth more, as ratios are estimates.
    double estimate = static_cast<double>(batch.builder.size()) * queue.ratio * 1.05;
    // Not compressed it must never get so large that a leader's limit on inflating is near.
    return estimate + static_cast<double>(bound) <= static_cast<double>(options_.batch_size) &&
           batch.builder.size() + bound <= default_inflated_limit / 4;
}

bool Accumulator::reserve(ProducerBatch& batch, std::size_t size) {
    if (size <= batch.reserved) return true;
    std::size_t more = std::max(size - batch.reserved, options_.batch_size);
    if (used_ > 0 && used_ + more > options_.buffer_memory) {
        more = size - batch.reserved;
        if (used_ + more > options_.buffer_memory) return false;
    }
    batch.reserved += more;
    used_ += more;
    batch.builder.reserve(batch.reserved);
    return true;
}

Accumulator::Appended Accumulator::append(PartitionQueue& queue, Timestamp timestamp,
                                          std::optional<Bytes> key, std::optional<Bytes> value,
                                          std::span<const RecordHeader> headers, Time now) {
    std::size_t bound = BatchBuilder::record_size_bound(key, value, headers);
    ProducerBatch* batch = queue.open_batch();
    if (batch != nullptr && !fits(queue, *batch, bound)) {
        batch->full = true;
        wants_drain_ = true;
        batch = nullptr;
    }
    if (batch == nullptr) {
        std::size_t first = std::max(batch_header_size + bound, options_.batch_size);
        if (used_ > 0 && used_ + first > options_.buffer_memory) return {};
        batch = &queue.begin_batch(batch_options(), now);
        if (!queue.active) {
            queue.active = true;
            active_.push_back(&queue);
        }
        wants_drain_ = true;  // at least a timer is to be set
        batch->reserved = first;
        used_ += first;
        batch->builder.reserve(first);
    } else if (!reserve(*batch, batch->builder.size() + bound)) {
        return {};
    }
    std::size_t before = batch->builder.size();
    batch->builder.append(timestamp, key, value, headers);
    batch->payload += batch->builder.size() - before;
    queue.note_record();
    ++totals_.records_taken;
    ++open_records_;
    return {batch, batch->builder.count() - 1};
}

bool Accumulator::is_ready(const PartitionQueue& queue, const ProducerBatch& batch,
                           Time now) const {
    return batch.full || batch.again || hurries_ > 0 || queue.waiting().size() > 1 ||
           batch.taken + options_.linger <= now;
}

// Whether the next batch may be numbered: sequences that have to begin anew need a higher epoch,
// and past the last epoch another id.
bool Accumulator::ready_identity(PartitionQueue& queue) {
    if (!options_.idempotent) return true;
    if (!identity_.known()) return false;
    if (!queue.needs_new_epoch(identity_)) return true;
    if (options_.transactional) {
        // A transaction goes on in its epoch, or not at all.
        fail_waiting(queue, {ErrorCode::transaction_abortable,
                             fmt::format("Records for {} before this one were lost: the "
                                         "transaction is to be aborted; the last problem: {}",
                                         to_string(*queue.partition()), queue.problem)});
        return false;
    }
    ++totals_.epoch_bumps;
    if (identity_.epoch == std::numeric_limits<std::int16_t>::max()) {
        identity_ = ProducerIdentity();
        return false;
    }
    ++identity_.epoch;
    return true;
}

void Accumulator::note_ratio(PartitionQueue& queue, std::size_t before, std::size_t after) const {
    if (options_.codec == Codec::none) return;
    double seen = static_cast<double>(after) / static_cast<double>(before);
    // Up fast and down slowly: a batch that turns out too large costs a split.
    queue.ratio = seen > queue.ratio ? std::max(queue.ratio + 0.05, seen)
                                     : std::max(queue.ratio - 0.005, seen);
}

void Accumulator::pack(Shipment& shipment, PartitionQueue& queue) {
    std::size_t before =
        queue.waiting().front()->is_sealed() ? 0 : queue.waiting().front()->builder.size();
    ProducerBatch& batch = queue.send_next(identity_, compressor_);
    if (before > 0) note_ratio(queue, before, batch.sealed.size());
    if (batch.attempts > 1) ++totals_.batches_retried;
    ++totals_.batches_sent;
    totals_.bytes_sent += batch.sealed.size();
    if (options_.codec != Codec::none && batch.sealed.size() < batch.reserved) {
        used_ -= batch.reserved - batch.sealed.size();
        batch.reserved = batch.sealed.size();
    }
    shipment.bytes += batch.sealed.size();
    shipment.items.push_back({&queue, &batch});
}

std::vector<Shipment> Accumulator::drain(Time now, const NodeOf& node_of) {
    drop_idle();
    wants_drain_ = false;
    std::map<std::int32_t, Shipment> by_node;
    std::size_t first = active_.empty() ? 0 : turn_++ % active_.size();
    for (std::size_t i = 0; i < active_.size(); ++i) {
        PartitionQueue& queue = *active_[(first + i) % active_.size()];
        ProducerBatch* batch = queue.next_to_send(options_.max_in_flight, now);
        if (batch == nullptr || !is_ready(queue, *batch, now)) continue;
        std::int32_t node = node_of(queue);
        if (node < 0) continue;
        Shipment& shipment = by_node[node];
        std::size_t size = batch->is_sealed() ? batch->sealed.size() : batch->builder.size();
        if (!shipment.items.empty() && shipment.bytes + size > options_.max_request_size) continue;
        if (!ready_identity(queue)) continue;
        shipment.node = node;
        pack(shipment, queue);
    }
    std::vector<Shipment> shipments;
    for (auto& [node, shipment] : by_node)
        if (!shipment.items.empty()) shipments.push_back(std::move(shipment));
    return shipments;
}

Time Accumulator::wake_at(Time now) const {
    Time wake = Time::never();
    auto by = [&](Time time) { wake = std::min(wake, std::max(time, now)); };
    for (const PartitionQueue* queue : active_) {
        if (!queue->sent().empty()) {
            for (const auto& batch : queue->sent())
                if (!batch->abandoned) by(batch->taken + options_.delivery_timeout);
        }
        if (queue->waiting().empty()) continue;
        const ProducerBatch& batch = *queue->waiting().front();
        by(batch.taken + options_.delivery_timeout);
        if (queue->not_before() > now) {
            by(queue->not_before());
        } else if (!is_ready(*queue, batch, now)) {
            by(batch.taken + options_.linger);
        }
    }
    return wake;
}

void Accumulator::begin_hurry() {
    ++hurries_;
    wants_drain_ = true;
}

void Accumulator::drop_idle() {
    std::erase_if(active_, [](PartitionQueue* queue) {
        if (queue->idle()) queue->active = false;
        return !queue->active;
    });
}

}  // namespace millrace::client
