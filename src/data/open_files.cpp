#include "open_files.hpp"

#include <utility>

namespace cuttle {

OpenFiles::OpenFiles(std::vector<std::string> paths, std::size_t limit)
    : paths_(std::move(paths)), limit_(limit), files_(paths_.size()) {}

void OpenFiles::read_at(std::size_t i, std::uint64_t offset, void* to, std::uint64_t bytes) const {
  file(i)->read_at(offset, to,
                   bytes);  // the pointer keeps it open while another thread closes it here
}

std::shared_ptr<const RawFile> OpenFiles::file(std::size_t i) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (files_[i]) return files_[i];
  if (opened_.size() == limit_) {
    files_[opened_.front()].reset();
    opened_.pop_front();
  }
  files_[i] = std::make_shared<const RawFile>(paths_[i]);
  opened_.push_back(i);
  return files_[i];
}

}  // namespace cuttle
