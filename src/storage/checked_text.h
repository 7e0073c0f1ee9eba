#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::env {
class Disk;
}

namespace millrace::storage {

// Small text files of Apache's that have no checksum. A file .millrace-NAME beside each, which
// Apache passes over, has a checksum, the text, and when the file was written. A file that was not
// written since, and is another one, has rotted; one that was is another program's, and is
// believed.

// Old or new, never half, on stable storage. Blocking, from any thread.
Result<> replace_checked(env::Disk& disk, const std::string& path, std::string_view text);
struct CheckedText {
    std::string text;     // where the file has rotted, of the one beside it
    bool proven = false;  // it is what replace_checked() wrote
};
Result<CheckedText> read_checked(env::Disk& disk, const std::string& path);

}  // namespace millrace::storage
