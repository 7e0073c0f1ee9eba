#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/fetchers/leader_link.h"
#include "core/transactions/transaction.h"
#include "protocol/write_txn_markers.h"

namespace millrace::broker {

// Transaction markers on their way to one other broker. What comes while a request is under way
// goes with the next one.
class MarkerChannel {
  public:
    using Marker = WriteTxnMarkersRequest::WritableTxnMarker;
    using Outcomes = std::map<transactions::TopicPartition, ErrorCode>;

    MarkerChannel(env::Shard& shard, LeaderLink link, Scope& scope);

    // An outcome for each partition of the marker; network_exception when there was no answer.
    Task<Outcomes> send(Marker marker);

  private:
    struct Waiting {
        Marker marker;
        Outcomes outcomes;
        bool answered = false;
    };
    using Batch = std::vector<std::shared_ptr<Waiting>>;
    Task<void> run();
    Task<Result<WriteTxnMarkersResponse>> ask(const Batch& batch);
    static void settle(Waiting& waiting, const Result<WriteTxnMarkersResponse>& response);

    Scope& scope_;
    LeaderLink link_;
    Batch queue_;
    Condition changed_;
};

}  // namespace millrace::broker
