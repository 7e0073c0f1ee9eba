#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "client/share_records.h"

namespace millrace::client {

// Acknowledgements of one partition on their way to the broker that gave its records.
struct Answers {
    std::int32_t node = -1;
    SharePartition partition;
    TopicPartition name;
    Acknowledgements ranges;
};

// The records that a share consumer's user was given, and what is to become of each. Pure.
class HeldRecords {
  public:
    // Records of one poll; with `keeps` they are there to be given again when they are renewed.
    void add(std::int32_t node, const Uuid& topic_id, const AcquiredBatch& batch, bool keeps);

    // INVALID_RECORD_STATE: it is not among what was given and is not answered for.
    Result<> acknowledge(const TopicPartition& partition, std::int64_t offset,
                         AcknowledgeType type);
    // What has no answer yet.
    void acknowledge_all(AcknowledgeType type);
    bool all_answered() const { return unanswered_ == 0; }
    std::size_t unanswered() const { return unanswered_; }

    // What was answered is no longer held, but for what is renewed: that waits for settled().
    std::vector<Answers> take();
    // Whether the broker took the answers.
    void settled(const Answers& answers, bool taken);
    // Something is renewed, or was and is to be given again.
    bool renews() const { return renewing_ > 0; }
    bool has_renewed() const { return renewed_ > 0; }
    // What was renewed, held anew.
    ShareRecords take_renewed();

    void clear();

  private:
    struct Held {
        std::optional<AcknowledgeType> answer;
        enum class State : std::uint8_t { given, renewing, renewed } state = State::given;
    };
    struct Partition {
        std::int32_t node = -1;
        Uuid topic_id;
        std::map<std::int64_t, Held> records;
        std::vector<AcquiredBatch> batches;  // that the records are of, where they are kept
    };
    static void forget_unheld(Partition& partition);

    // One entry a broker, as a partition's leader may move while records are held.
    std::map<std::pair<TopicPartition, std::int32_t>, Partition> partitions_;
    std::size_t unanswered_ = 0;
    std::size_t renewing_ = 0;
    std::size_t renewed_ = 0;
};

}  // namespace millrace::client
