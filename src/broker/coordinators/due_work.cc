#include "broker/coordinators/due_work.h"

#include "broker/log.h"

namespace millrace::broker {

void DueWork::follow() {
    if (works_off_ || log_.ready() != ErrorCode::none) return;
    Time wake = source_.wake_at();
    if (wake == Time::never()) {
        stop();
    } else if (wake <= shard_.now()) {
        stop();
        works_off_ = true;
        log_.scope().spawn(work_off());
    } else if (!running() || when() != wake) {
        start(shard_, wake);
    }
}

Task<void> DueWork::work_off() {
    for (;;) {
        auto any = co_await log_.run([&] {
            auto records = source_.next();
            return coordinator::Decision<bool>{
                records.has_value(),
                std::move(records).value_or(std::vector<coordinator::Record>())};
        });
        if (!any) {
            LOG_WARN("{} of {} stay as they are: {}", source_.what,
                     log_.partition().identity().to_string(), name_of(any.error()));
        }
        if (!any || !*any) break;
    }
    works_off_ = false;
    follow();
}

}  // namespace millrace::broker
