#include "core/share/state_batches.h"

#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>

namespace millrace::share {
namespace {

std::vector<StateBatch> read(const std::string& text) {
    std::vector<StateBatch> batches;
    std::istringstream fields(text);
    std::string field;
    while (std::getline(fields, field, ',')) {
        long first = 0;
        long last = 0;
        int state = 0;
        int count = 0;
        EXPECT_EQ(std::sscanf(field.c_str(), "%ld-%ld:%d:%d", &first, &last, &state, &count), 4);
        batches.push_back(
            {first, last, static_cast<RecordState>(state), static_cast<std::int16_t>(count)});
    }
    return batches;
}

TEST(StateBatchesTest, AreWhatApacheMakesOfThem) {
    std::ifstream file(MILLRACE_SOURCE_DIR "/src/core/share/recorded/combined.txt");
    std::string line;
    int cases = 0;
    while (std::getline(file, line)) {
        std::istringstream parts(line);
        std::string start;
        std::string known;
        std::string added;
        std::string result;
        std::getline(parts, start, ';');
        std::getline(parts, known, ';');
        std::getline(parts, added, ';');
        std::getline(parts, result, ';');
        // It leaves some apart that follow on one another and say the same.
        EXPECT_EQ(combined(read(known), read(added), std::stol(start)),
                  combined({}, read(result), -1))
            << line;
        ++cases;
    }
    EXPECT_EQ(cases, 400);
}

TEST(StateBatchesTest, LeaveOutWhatIsNone) {
    EXPECT_TRUE(combined({}, {{5, 4}, {0, INT64_MAX}}, -1).empty());
}

}  // namespace
}  // namespace millrace::share
