#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/result.h"
#include "records/batch.h"
#include "storage/transaction_index.h"

namespace millrace::storage {

// What a walk over a log from its beginning knows of its decided transactions: which data was
// aborted, and which markers end transactions of which no batch is left.
class CleanedTransactions {
  public:
    // The aborted transactions whose markers lie in what is walked over.
    explicit CleanedTransactions(std::vector<AbortedTransaction> aborted);

    // Whether the batch, which is no control batch, belongs to an aborted transaction.
    bool take_data(const BatchView& batch);
    struct Marker {
        // No batch of its transaction was seen: it may go once its delete horizon has passed.
        bool discardable = false;
        // It ends an aborted transaction of which a batch was seen: the index keeps it.
        std::optional<AbortedTransaction> aborted;
    };
    Result<Marker> take_control(const BatchView& batch);

  private:
    struct Open {
        AbortedTransaction transaction;
        bool seen = false;
    };
    void open_up_to(Offset offset);

    std::vector<AbortedTransaction> aborted_;  // ascending by first offset
    std::size_t next_ = 0;
    std::map<std::int64_t, Open> open_aborted_;  // by producer id
    std::set<std::int64_t> open_committed_;
};

}  // namespace millrace::storage
