#include "base/condition.h"

namespace millrace {

void Condition::notify_one() {
    if (Waiting::Link* link = waiting_.pop_front()) link->waiting.complete();
}

void Condition::notify_all() {
    while (Waiting::Link* link = waiting_.pop_front()) link->waiting.complete();
}

}  // namespace millrace
