#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace cuttle {

// How strongly training samples are changed, by kind of sense; 0: not at all. The defaults are
// mild, and leave out what may change the class (a mirrored letter). `strengths`: all members.

struct ImageAugmentation {
  double shift = 0.1;       ///< most that it moves, of its sides; its border goes on
  double crop = 0.1;        ///< most that is cut off its sides, and the rest enlarged
  double rotate = 10;       ///< most degrees, to either side
  bool flip = false;        ///< left to right, every second one
  double brightness = 0.1;  ///< most that is added, of the range of values
  double contrast = 0.2;    ///< most that differences to its mean grow or shrink, as a share
  double saturation = 0.2;  ///< the same of differences to grey, where there are 3 channels
  double erase = 0.05;      ///< the area of a rectangle that becomes its mean
  std::array<double, 8> strengths() const {
    return {shift, crop, rotate, flip ? 1.0 : 0.0, brightness, contrast, saturation, erase};
  }
};

struct AudioAugmentation {
  double shift = 0.1;      ///< most that it begins later or earlier, of its length
  double gain = 0.5;       ///< most that it is louder or softer: by a factor of exp(gain)
  double noise = 0.05;     ///< most white noise, of its own root mean square
  double time_mask = 0.1;  ///< a stretch that falls silent, of its length
  double band_mask = 0.0;  ///< a band that is filtered out, of the mel scale; off, since 0.1 lost
                           ///< 2 to 6 points of accuracy on spoken digits (validation classes)
  std::array<double, 5> strengths() const { return {shift, gain, noise, time_mask, band_mask}; }
};

struct TextAugmentation {
  double characters = 0.05;  ///< chance that a character is left out; one stays
  double words = 0.1;        ///< chance that a word is left out; one stays
  std::array<double, 2> strengths() const { return {characters, words}; }
};

struct SeriesAugmentation {
  double jitter = 0.05;     ///< noise, of the channels' standard deviation (1 if not declared)
  double scale = 0.1;       ///< most that a channel grows or shrinks, as a share
  double warp = 0.1;        ///< most that a moment comes later or earlier, of its length
  double crop_start = 0.1;  ///< most that is cut off at the start, of its length
  double crop_end = 0.1;    ///< most that is cut off at the end, of its length
  double erase = 0.05;      ///< a stretch that becomes the mean (0 if not declared)
  std::array<double, 6> strengths() const {
    return {jitter, scale, warp, crop_start, crop_end, erase};
  }
};

struct VectorAugmentation {
  double noise = 0.1;  ///< of the features' standard deviation (1 if not declared)
  double mix = 0.2;    ///< most of the way towards another sample of its class in the set
  double erase = 0.0;  ///< chance that a feature becomes its mean (0 if not declared)
  std::array<double, 3> strengths() const { return {noise, mix, erase}; }
};

struct GraphAugmentation {
  double noise = 0.1;  ///< of the nodes' features, of their standard deviation (1 if not declared)
  double edges = 0.1;  ///< chance that an edge is left out (DropEdge: Rong et al. 2020)
  std::array<double, 2> strengths() const { return {noise, edges}; }
};

struct AugmentOptions {
  std::string tasks = "none";  ///< support | query | both | none: the sets of training tasks
  std::int64_t copies = 0;     ///< versions that a sample has, for good; 0: any number
  ImageAugmentation image;
  AudioAugmentation audio;
  TextAugmentation text;
  SeriesAugmentation series;
  VectorAugmentation vector;
  GraphAugmentation graph;

  bool support() const { return tasks == "support" || tasks == "both"; }
  bool query() const { return tasks == "query" || tasks == "both"; }
};

}  // namespace cuttle
