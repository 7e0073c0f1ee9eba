#include "broker/share/share_partition_figures.h"

#include "metrics/declared.h"

namespace millrace::broker {

namespace declared = metrics::declared;

namespace {

// In hundredths; to the millisecond, and of what took none, as Kafka tells it.
int hundredths(Duration turn, Duration idle) {
    if (turn.ms() + idle.ms() == 0) return 100;
    if (turn.ms() == 0) return static_cast<int>(100 / idle.ms());
    return static_cast<int>(100 * turn.ms() / (turn.ms() + idle.ms()));
}

}  // namespace

SharePartitionFigures::SharePartitionFigures(metrics::Registry& registry, metrics::Labels labels)
    : registry_(registry),
      labels_(std::move(labels)),
      turn_ms_(registry.histogram(declared::share_partition_metrics_fetch_lock_time_ms, labels_)),
      turn_ratio_(registry.histogram(declared::share_partition_metrics_fetch_lock_ratio, labels_)),
      batch_records_(registry.histogram(
          declared::share_partition_metrics_in_flight_batch_message_count, labels_)),
      timeouts_(registry.meter(declared::share_partition_metrics_acquisition_lock_timeout_per_sec,
                               labels_)) {}

SharePartitionFigures::~SharePartitionFigures() {
    registry_.remove(declared::share_partition_metrics_fetch_lock_time_ms, labels_);
    registry_.remove(declared::share_partition_metrics_fetch_lock_ratio, labels_);
    registry_.remove(declared::share_partition_metrics_in_flight_batch_message_count, labels_);
    registry_.remove(declared::share_partition_metrics_acquisition_lock_timeout_per_sec, labels_);
}

void SharePartitionFigures::read_in_flight(std::function<double()> records,
                                           std::function<double()> batches) {
    readings_.push_back(registry_.read_gauge(
        declared::share_partition_metrics_in_flight_message_count, labels_, std::move(records)));
    readings_.push_back(registry_.read_gauge(
        declared::share_partition_metrics_in_flight_batch_count, labels_, std::move(batches)));
}

void SharePartitionFigures::turn_begins(const FetchTicket& fetch, Time now) {
    if (turn_of_) return;
    turn_of_ = fetch;
    turn_began_ = now;
    idle_ = last_turn_ended_ ? now - *last_turn_ended_ : Duration();
}

void SharePartitionFigures::turn_ends(const FetchTicket& fetch, Time now) {
    if (turn_of_ != fetch) return;
    turn_of_.reset();
    last_turn_ended_ = now;
    Duration took = now - turn_began_;
    turn_ms_.update(static_cast<double>(took.ms()));
    turn_ratio_.update(hundredths(took, idle_));
}

void SharePartitionFigures::given_out(const std::vector<share::AcquiredRecords>& acquired) {
    for (const share::AcquiredRecords& each : acquired) {
        if (each.delivery_count == 1)
            batch_records_.update(static_cast<double>(each.last - each.first + 1));
    }
}

void SharePartitionFigures::timed_out(std::uint64_t records) { timeouts_.mark(records); }

}  // namespace millrace::broker
