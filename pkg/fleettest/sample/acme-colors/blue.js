exports.paint = text => 'blue ' + text
